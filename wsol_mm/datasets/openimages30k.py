"""OpenImages30k: masks with ignore regions instead of boxes."""

from pathlib import Path
from typing import Any

from wsol_mm.datasets.base import WSOLDataset
from wsol_mm.datasets.metadata import read_metadata
from wsol_mm.registry import DATASETS


@DATASETS.register_module()
class OpenImages30k(WSOLDataset):
    """OpenImages30k of the reference WSOL benchmark (Choe et al., CVPR 2020), read from its lists.

    Image and mask names are relative (`val/01226z/32fdab44f6e415f1.jpg`); a name's folder is the
    name of its class. An image has one or more instance masks and at most one ignore mask
    (`ignore_path` is None where the list leaves it empty). The train split has no masks.

    Args:
        data_root: Folder of the images.
        split: `'train'`, `'val'` or `'test'`.
        metadata: Folder with the lists of each split in a folder of its name, absolute or relative
            to `data_root`.
        masks: Folder that mask names are relative to, absolute or relative to `data_root`.
        **kwargs: See :class:`WSOLDataset`.
    """

    HINT = (
        "get the OpenImages30k images and masks and metadata/OpenImages as the README of "
        "https://github.com/clovaai/wsolevaluation says, or set data_root, metadata and masks"
    )
    EXACT_MASKS = False

    def __init__(
        self,
        data_root: str,
        split: str = "train",
        metadata: str = "metadata",
        masks: str = ".",
        **kwargs: Any,
    ) -> None:
        self.metadata = metadata
        self.masks = masks
        super().__init__(data_root=data_root, split=split, **kwargs)

    def read_split(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Read the lists of the split."""
        root = Path(self.data_root)
        lists = root / self.metadata / self.split
        masks = root / self.masks if self.reads_truth else None
        entries = read_metadata(lists, root, hint=self.HINT, masks=masks)
        return self._name_classes(entries, lists), entries

    def training_classes(self) -> tuple[list[str], str] | None:
        """Classes of the training lists, where they are there."""
        lists = Path(self.data_root) / self.metadata / "train"
        if self.split == "train" or not lists.is_dir():
            return None
        entries = read_metadata(lists, Path(self.data_root), hint=self.HINT)
        return self._name_classes(entries, lists), str(lists)

    @staticmethod
    def _name_classes(entries: list[dict[str, Any]], lists: Path) -> list[str]:
        """Names of the classes: the folders of their images."""
        names: dict[int, str] = {}
        for entry in entries:
            label, folder = entry["gt_label"], Path(entry["img_id"]).parent.name
            if names.setdefault(label, folder) != folder:
                raise ValueError(
                    f"{lists / 'class_labels.txt'}: image '{entry['img_id']}' has class index "
                    f"{label}, which is that of folder '{names[label]}'"
                )
        if min(names) < 0:
            raise ValueError(f"{lists / 'class_labels.txt'}: class index {min(names)} is negative")
        return [names.get(label, f"class {label}") for label in range(max(names) + 1)]
