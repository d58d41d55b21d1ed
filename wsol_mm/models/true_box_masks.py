"""Masks of true boxes, for upper bounds alone: no weakly supervised training may read them."""

import numpy as np
import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from wsol_mm.functional.geometry import inside_boxes


def true_box_masks(data_samples: list[DataSample], size: tuple[int, int]) -> Tensor:
    """Where the true boxes are, in the frame that the network sees.

    Args:
        data_samples: Of B images, with ``gt_instances``: the training data's
            ``supervision='boxes'`` packs them.
        size: (h, w) of the masks.

    Returns:
        float32 (B, 1, h, w) of 0 and 1, on the CPU.

    Raises:
        ValueError: An image came without its true boxes.
    """
    masks = []
    for sample in data_samples:
        if "gt_instances" not in sample:
            raise ValueError(
                "an upper bound with true boxes got images without: set "
                "train_dataloader.dataset.supervision='boxes'"
            )
        boxes = np.asarray(sample.gt_instances.bboxes)
        masks.append(inside_boxes(boxes, sample.homography_matrix, sample.img_shape, tuple(size)))
    return torch.from_numpy(np.stack(masks))[:, None].float()
