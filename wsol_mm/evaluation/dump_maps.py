"""Keep the maps of a split, so that it can be evaluated again without the network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from wsol_mm.evaluation.map_files import seed_file
from wsol_mm.evaluation.protocols import get_protocol
from wsol_mm.evaluation.records import class_map
from wsol_mm.evaluation.view import View, as_array
from wsol_mm.io import atomic_write
from wsol_mm.registry import METRICS

_LISTS = ("image_ids", "class_labels", "image_sizes", "localization")


@METRICS.register_module()
class DumpMaps(BaseMetric):
    """Write the map of each image's ground-truth class to a folder, and compute nothing.

    A map is ``<out>/<img_id>.npy``, the id with its folders and extension: float32 (h, w), raw and
    of the network's resolution; a ``seed_map`` goes beside it, into ``<img_id>.seed.npz``. Where
    the data set has boxes and the network saw whole images, the four lists of the reference
    evaluator stand beside the maps, so that ``tools/eval_maps.py --maps OUT --metadata OUT`` gives
    the numbers of the run under any normalisation. Every rank writes its
    own images. ``tools/test.py --dump-maps OUT`` adds it.

    Args:
        out: Folder to write to.
        collect_device: As in mmengine's metrics.
    """

    def __init__(self, out: str, collect_device: str = "cpu") -> None:
        super().__init__(collect_device=collect_device)
        self.out = Path(out)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Write the maps of a batch and keep the lines of its lists.

        Raises:
            ValueError: A sample has no maps, or none of its class.
        """
        for sample in data_samples:
            img_id = sample["img_id"]
            if "pred_maps" not in sample:
                raise ValueError(f"DumpMaps: {img_id} has no pred_maps: not a localizer?")
            label = int(as_array(sample["gt_label"]).reshape(-1)[0])
            score_map = class_map(sample["pred_maps"], sample["map_labels"], label)
            with atomic_write(self.out / f"{img_id}.npy") as temporary:
                np.save(temporary, score_map.astype(np.float32))
            if "seed_map" in sample and int(as_array(sample["map_labels"])[0]) == label:
                with atomic_write(seed_file(self.out, img_id)) as temporary:
                    np.savez_compressed(temporary, seed=as_array(sample["seed_map"]))
            self.results.append(self._lines(sample, label))

    @staticmethod
    def _lines(sample: dict[str, Any], label: int) -> tuple[str, str, str, str]:
        """The text of one image in each list."""
        name = sample["img_id"]
        height, width = sample["ori_shape"][:2]
        boxes: Any = ()
        if "gt_instances" in sample and View(sample, get_protocol("original")).squash:
            boxes = as_array(sample["gt_instances"]["bboxes"])
        rows = [",".join(format(float(side), ".17g") for side in box) for box in boxes]
        return (
            f"{name}\n",
            f"{name},{label}\n",
            f"{name},{width},{height}\n",
            "".join(f"{name},{row}\n" for row in rows),
        )

    def compute_metrics(self, results: list[tuple[str, ...]]) -> dict:
        """Write the lists, unless an image has no boxes or was cropped."""
        lists = dict(zip(_LISTS, zip(*results, strict=True), strict=True))
        evaluable = all(lists["localization"])
        for name, lines in lists.items() if evaluable else ():
            with atomic_write(self.out / f"{name}.txt") as temporary:
                temporary.write_text("".join(lines), encoding="utf-8")
        note = "" if evaluable else "; no lists: images without boxes, or cropped ones"
        print_log(f"{self.out}: maps of {len(results)} images{note}", logger="current")
        return {}
