"""Pictures of what was localized, during validation and test."""

from pathlib import Path
from urllib.parse import quote

import mmcv
import numpy as np
from mmengine.hooks import Hook
from mmengine.runner import Runner

from wsol_mm.datasets.pixels import read_image
from wsol_mm.evaluation.view import as_array
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.geometry import to_original_frame
from wsol_mm.registry import HOOKS
from wsol_mm.visualization.drawing import (
    GROUND_TRUTH,
    PREDICTION,
    draw_boxes,
    overlay_in_frame,
)


@HOOKS.register_module()
class WSOLVisualizationHook(Hook):
    """Draw heat map, predicted boxes (red) and ground truth (green) on the original image.

    Works for localizers (``pred_maps``) and detectors (``pred_instances``). The image is read
    from ``img_path`` because boxes live in the original frame. Pictures are named by the image's
    id, so that equal file names in two folders are two pictures: ``<out_dir>/<img_id>.png`` if
    ``out_dir`` is set, and in the visualizer's backends the id with its slashes quoted.

    Args:
        enable: Draw at all; the runtimes of ``configs/_base_`` do. ``tools/test.py --show-dir``
            switches it on, for every image.
        interval: Draw one image in so many.
        out_dir: Folder for PNG files.
        threshold: Threshold of the boxes drawn from a map: a number, ``otsu`` or ``mean``.
        normalization: Normalisation of the map.
        percentile: Percentile of the normalisations that need one.
        components: ``largest`` or ``all``.
        score_thr: Detector boxes below this score are left out, all but the best.
    """

    def __init__(
        self,
        enable: bool = False,
        interval: int = 500,
        out_dir: str | None = None,
        threshold: float | str = 0.2,
        normalization: str = "minmax",
        percentile: float | None = None,
        components: str = "largest",
        score_thr: float = 0.3,
    ) -> None:
        self.enable = enable
        self.interval = interval
        self.out_dir = Path(out_dir) if out_dir else None
        self.rule = BoxRule.parse(
            threshold,
            words=("otsu", "mean"),
            normalization=normalization,
            percentile=percentile,
            components=components,
        )
        self.score_thr = score_thr
        self._seen = 0

    def picture(self, sample: object) -> np.ndarray:
        """Draw one data sample; (H, W, 3) uint8, BGR."""
        image = np.ascontiguousarray(read_image(sample.img_path)[..., ::-1])
        boxes, scores = np.zeros((0, 4)), None  # of a plain classifier
        if "pred_maps" in sample:
            score_map = sample.pred_maps[0].cpu().double().numpy()
            height, width = sample.img_shape
            boxes = self.rule.apply(score_map, (width, height))
            boxes = to_original_frame(boxes, sample.homography_matrix, sample.ori_shape)
            image = overlay_in_frame(
                image, score_map, (height, width), sample.homography_matrix, self.rule
            )
        elif "pred_instances" in sample:
            instances = sample.pred_instances
            keep = instances.scores >= self.score_thr
            keep[instances.scores.argsort(descending=True)[:1]] = True
            instances = instances[keep]
            boxes, scores = instances.bboxes.cpu().numpy(), instances.scores.cpu().numpy()
        if "gt_instances" in sample:
            truth = as_array(sample.gt_instances.bboxes)
            image = draw_boxes(image, truth, GROUND_TRUTH)
        return draw_boxes(image, boxes, PREDICTION, scores)

    def draw(self, runner: Runner, outputs: list, step: int) -> None:
        """Draw every ``interval``-th image, counted over the whole loop."""
        first, self._seen = self._seen, self._seen + len(outputs)
        for index, sample in enumerate(outputs if self.enable else (), start=first):
            if index % self.interval:
                continue
            picture = self.picture(sample)
            if self.out_dir:
                mmcv.imwrite(picture, str(self.out_dir / f"{sample.img_id}.png"))
            name = quote(str(sample.img_id), safe=" ")  # COCO's ids are numbers
            runner.visualizer.add_image(name, picture[..., ::-1], step=step)

    def before_val_epoch(self, runner: Runner) -> None:
        """Count from the first image again."""
        self._seen = 0

    def before_test_epoch(self, runner: Runner) -> None:
        """Count from the first image again."""
        self._seen = 0

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: list | None = None,
    ) -> None:
        """Draw during validation."""
        self.draw(runner, outputs or [], runner.epoch)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: list | None = None,
    ) -> None:
        """Draw during test."""
        self.draw(runner, outputs or [], 0)
