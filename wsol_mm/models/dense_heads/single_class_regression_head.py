"""SCR, single-class regression (PSOL: Zhang et al., CVPR 2020): one box for every image."""

import torch
from mmdet.structures import SampleList
from mmdet.structures.bbox import get_box_tensor
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from wsol_mm.registry import MODELS


def largest_box_fractions(boxes: Tensor, shape: tuple[int, int]) -> Tensor:
    """The largest box as fractions of its image: left, top, width, height.

    Args:
        boxes: (n, 4) xyxy in pixels, at least one; of equal areas the first counts.
        shape: (height, width) of the image.

    Returns:
        (4,) in [0, 1] for a box inside the image.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [20, 10, 60, 40]])
        >>> largest_box_fractions(boxes, (50, 100))
        tensor([0.2000, 0.2000, 0.4000, 0.6000])
    """
    corners, sizes = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    best = sizes.prod(dim=1).argmax()
    height, width = shape
    return torch.cat([corners[best], sizes[best]]) / boxes.new_tensor([width, height] * 2)


@MODELS.register_module()
class SingleClassRegressionHead(BaseModule):
    """Two linear layers on pooled features and a sigmoid give the one box of an image.

    Goes where ``mmdet.SingleStageDetector`` expects its ``bbox_head``. The box stands as left, top,
    width and height in fractions of the input frame, as in PSOL's code. An image with several boxes
    is taught its largest; an image without, as after a crop that lost its object, teaches nothing.

    Args:
        in_channels: Channels of the last feature map.
        feat_channels: Width of the hidden layer.
        loss_bbox: Loss between predicted and target fractions, (m, 4) each; the default is PSOL's.
        train_cfg, test_cfg: Passed by the detector; there is nothing to set.
        init_cfg: As in ``mmengine.model.BaseModule``; PyTorch's initialisation without it.
    """

    def __init__(
        self,
        in_channels: int,
        feat_channels: int = 512,
        loss_bbox: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | list | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.fc_hidden = nn.Linear(in_channels, feat_channels)
        self.fc_box = nn.Linear(feat_channels, 4)
        self.loss_bbox = MODELS.build(loss_bbox or dict(type="mmdet.MSELoss", loss_weight=50.0))

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Fractions left, top, width, height of the last feature map's images, (n, 4)."""
        pooled = feats[-1].mean(dim=(2, 3))
        return self.fc_box(self.fc_hidden(pooled).relu()).sigmoid()

    def loss(self, feats: tuple[Tensor, ...], batch_data_samples: SampleList) -> dict:
        """``loss_bbox`` of the images that have a box; 0 if none has.

        Args:
            feats: Feature maps; the last one counts.
            batch_data_samples: With ``gt_instances.bboxes`` in the input frame and ``img_shape``.
        """
        predicted = self(feats)
        boxes = [get_box_tensor(sample.gt_instances.bboxes) for sample in batch_data_samples]
        taught = [i for i, found in enumerate(boxes) if len(found)]
        if not taught:
            return {"loss_bbox": 0 * predicted.sum()}
        targets = torch.stack(
            [largest_box_fractions(boxes[i], batch_data_samples[i].img_shape) for i in taught]
        )
        return {"loss_bbox": self.loss_bbox(predicted[taught], targets)}

    def predict(
        self, feats: tuple[Tensor, ...], batch_data_samples: SampleList, rescale: bool = False
    ) -> list[InstanceData]:
        """One box for every image, clipped to the input, with score 1 and label 0.

        Args:
            feats: Feature maps; the last one counts.
            batch_data_samples: With ``img_shape``, and ``scale_factor`` for ``rescale``.
            rescale: Undo the resize, as mmdet's heads do.
        """
        fractions = self(feats)
        corners = torch.cat([fractions[:, :2], fractions[:, :2] + fractions[:, 2:]], 1).clamp(max=1)
        results = []
        for box, sample in zip(corners, batch_data_samples, strict=True):
            height, width = sample.img_shape
            box = box * box.new_tensor([width, height] * 2)
            if rescale:
                box = box / box.new_tensor(sample.scale_factor).repeat(2)
            results.append(
                InstanceData(
                    bboxes=box[None],
                    scores=box.new_ones(1),
                    labels=box.new_zeros(1, dtype=torch.int64),
                )
            )
        return results
