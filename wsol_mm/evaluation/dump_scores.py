"""Keep a classifier's scores so that every detector can be joined with them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from wsol_mm.io import atomic_write
from wsol_mm.registry import METRICS


@METRICS.register_module()
class DumpScores(BaseMetric):
    """Write the class scores of a split to an npz file, and compute nothing.

    The file holds ``img_ids`` (n,) text and ``scores`` (n, K) float32, in the order of the data
    set; ``WSOLMetric(classifier_scores=FILE)`` and ``tools/joint_eval.py`` read it. Any classifier
    whose data samples carry ``pred_score`` will do. ``tools/test.py --dump-scores FILE`` adds it.

    Args:
        out: File to write, ending in ``.npz``.
        collect_device: As in mmengine's metrics.

    Raises:
        ValueError: When ``out`` is no npz file.
    """

    def __init__(self, out: str, collect_device: str = "cpu") -> None:
        super().__init__(collect_device=collect_device)
        if Path(out).suffix != ".npz":
            raise ValueError(f"DumpScores: out='{out}' must end in .npz")
        self.out = Path(out)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep name and scores of each image."""
        for sample in data_samples:
            if "pred_score" not in sample:
                raise ValueError(
                    f"DumpScores: {sample['img_id']} has no pred_score: not a classifier?"
                )
            scores = sample["pred_score"].float().cpu().numpy()
            self.results.append((sample["img_id"], scores))

    def compute_metrics(self, results: list[tuple[str, np.ndarray]]) -> dict:
        """Write the file."""
        img_ids, scores = zip(*results, strict=True)
        with atomic_write(self.out) as temporary:
            np.savez_compressed(temporary, img_ids=np.array(img_ids), scores=np.stack(scores))
        print_log(f"{self.out}: scores of {len(img_ids)} images", logger="current")
        return {}
