"""Test-time augmentation of localizers: maps of all views, brought back and averaged."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseTTAModel
from mmpretrain.structures import DataSample
from torch import Tensor

from wsol_mm.functional.view_averaging import average_maps, maps_in_frame
from wsol_mm.registry import MODELS


@MODELS.register_module()
class WSOLTTAModel(BaseTTAModel):
    """Average maps and class scores over views of an image (``tools/test.py --tta``).

    Views are what ``TestTimeAug`` makes by ``wsol_mm.Resize`` and ``wsol_mm.RandomFlip``. Every map
    is brought back into the first view, at its full size, before the mean is taken of the raw
    values; refiners have worked on each view by then. The result is a sample of the first view, so
    that evaluators need not know of the others: ``pred_maps`` of ``gt_label`` (without it, of the
    class with the best mean score) and of the classes that every view has a map of. A ``seed_map``
    is not kept.

    Args:
        module: The localizer, or its config.
        data_preprocessor: As in ``mmengine.model.BaseTTAModel``.

    Raises:
        ValueError: The model draws no maps.
    """

    def val_step(self, data: Any) -> list[DataSample]:
        """As :meth:`test_step`: a threshold is chosen on maps that are made as the test's."""
        return self.test_step(data)

    def merge_preds(self, data_samples_list: Sequence[Sequence[DataSample]]) -> list[DataSample]:
        """One sample of each image.

        Args:
            data_samples_list: Of each image the predictions of its views.
        """
        return [_merge(views) for views in data_samples_list]


def _merge(views: Sequence[DataSample]) -> DataSample:
    if "pred_maps" not in views[0]:
        raise ValueError(
            "WSOLTTAModel averages pred_maps and the model gives none: detectors take "
            "tta_model=dict(type='mmdet.DetTTAModel', ...)"
        )
    merged = views[0].new()
    scores = torch.stack([view.pred_score for view in views]).mean(0)
    merged.set_pred_score(scores).set_pred_label(scores.argmax(0, keepdim=True))
    labels = [view.map_labels for view in views]
    if labels[0].tolist() == [-1]:
        first = -1
    else:
        first = int(merged.gt_label) if "gt_label" in merged else int(merged.pred_label)
    maps, kept = average_maps([_in_frame(view, merged) for view in views], labels, first)
    merged.set_data({"pred_maps": maps.float(), "map_labels": kept})
    if "seed_map" in merged:
        del merged.seed_map
    return merged


def _in_frame(view: DataSample, reference: DataSample) -> Tensor:
    matrix = np.asarray(view.homography_matrix) @ np.linalg.inv(reference.homography_matrix)
    return maps_in_frame(
        view.pred_maps, view.img_shape[:2], torch.from_numpy(matrix), reference.img_shape[:2]
    )
