"""Toy scenes: CUB layout with several boxes per image, masks, and val in a sub-folder."""

from pathlib import Path
from typing import Any

from wsol_mm.datasets.cub import CUB
from wsol_mm.datasets.lists import Box
from wsol_mm.registry import DATASETS

MASK_NAME = "{stem}_{number}.png"


@DATASETS.register_module()
class ToyScenes(CUB):
    """The scenes of `tools/dataset_converters/make_toy.py`.

    The layout is CUB's, with one row in `bounding_boxes.txt` and one file in `masks/` for each
    object; `val/` is a folder of the same layout.

    Args:
        data_root: Folder of the scenes.
        split: `'train'`, `'val'` or `'test'`.
        val_root: Folder of the val scenes, absolute or relative to `data_root`.
        **kwargs: See :class:`WSOLDataset`.
    """

    HINT = "draw the scenes with `python tools/dataset_converters/make_toy.py --out {root}`"
    SEVERAL_BOXES = True

    def __init__(
        self, data_root: str, split: str = "train", val_root: str = "val", **kwargs: Any
    ) -> None:
        self.HINT = type(self).HINT.format(root=data_root)
        self.VAL_HINT = self.HINT
        super().__init__(data_root=data_root, split=split, val_root=val_root, **kwargs)

    def _read_layout(
        self, root: Path, class_ids: dict[int, tuple[str, str]], part: str | None
    ) -> list[dict[str, Any]]:
        """Read the lists, then add the masks, one for each box."""
        entries = super()._read_layout(root, class_ids, part)
        for entry in entries if self.reads_truth else []:
            boxes: list[Box] = entry["boxes"]
            stem = Path(entry["img_id"]).with_suffix("").as_posix()
            entry["mask_paths"] = [
                str(root / "masks" / MASK_NAME.format(stem=stem, number=number))
                for number in range(len(boxes))
            ]
            entry["ignore_path"] = None
        return entries
