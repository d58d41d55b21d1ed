"""C2AM: a class-agnostic map learned by contrast across images, beside a linear probe."""

import torch
from mmengine.dist import all_reduce
from mmpretrain.models.heads import ClsHead
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.c2am import border_votes, disentangle, pull_loss, push_loss
from wsol_mm.registry import MODELS


@MODELS.register_module()
class C2AMHead(ClsHead):
    """Learns one map per image without labels; a linear probe gives the classes.

    Xie et al., CVPR 2022 (https://arxiv.org/abs/2203.13505). The disentangler, a 3x3 convolution,
    batch norm and sigmoid, makes the map P; :mod:`wsol_mm.functional.c2am` its losses. Pairs are
    formed within the batch of one process.

    Which side of P is the object is not learned. Every training image votes by its border
    (:func:`wsol_mm.functional.c2am.border_votes`), over all ranks; the count is a buffer, so
    it is in the checkpoint, and the majority inverts the maps of prediction. With
    ``wsol_mm.PolarityVoteHook`` the vote is that of the last epoch, without it that of all.

    The one map serves every class (``map_labels == [-1]``). The probe reads the features without
    passing gradients on, so labels have no part in the map.

    Args:
        num_classes: Classes K of the probe.
        in_channels: Channels of all feature maps together; they must have the same size and are
            concatenated (the authors: layer3 and layer4 of ResNet-50, both at stride 16).
        alpha: Decay of the rank weights; .05 for supervised initialisation and all of ILSVRC, .75
            for MoCo and DetCo on CUB.
        affine: Whether the disentangler's batch norm has scale and shift. Without (default, what
            the authors' optimiser amounts to) about half of all cells stay above .5.
        loss: Loss of the probe; mmpretrain's cross entropy by default.
        topk: Top-k accuracies to log in training, with ``cal_acc``.
        cal_acc: Whether to log training accuracy.
        init_cfg: Initialisation; the linear layer from N(0, 0.01), the convolution from
            Kaiming-normal weights (fan-out) by default.

    Raises:
        ValueError: ``alpha`` is negative.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        alpha: float = 0.05,
        affine: bool = False,
        loss: dict | None = None,
        topk: int | tuple[int, ...] = (1,),
        cal_acc: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(
            loss=loss or {"type": "mmpretrain.CrossEntropyLoss"},
            topk=topk,
            cal_acc=cal_acc,
            init_cfg=init_cfg
            or [
                {"type": "Normal", "layer": "Linear", "std": 0.01},
                {"type": "Kaiming", "layer": "Conv2d"},
            ],
        )
        if alpha < 0:
            raise ValueError(f"C2AMHead: alpha={alpha} must not be negative")
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.alpha = alpha
        self.disentangler = nn.Sequential(
            nn.Conv2d(in_channels, 1, 3, padding=1, bias=False),
            nn.BatchNorm2d(1, affine=affine),
            nn.Sigmoid(),
        )
        self.fc = nn.Linear(in_channels, num_classes)
        # images whose P marks the background, and all
        self.register_buffer("votes", torch.zeros(2, dtype=torch.int64))
        self.votes: Tensor

    def pre_logits(self, feats: tuple[Tensor, ...]) -> Tensor:
        """The feature maps side by side, (B, C, h, w)."""
        shapes = [tuple(feat.shape) for feat in feats]
        if any(len(shape) != 4 or shape[2:] != shapes[0][2:] for shape in shapes) or (
            sum(shape[1] for shape in shapes) != self.in_channels
        ):
            raise ValueError(
                f"{type(self).__name__}: expected feature maps of one size with {self.in_channels} "
                f"channels together, got {shapes}; set neck=None, and strides and out_indices of "
                "the backbone"
            )
        return torch.cat(feats, dim=1)

    def class_scores(self, features: Tensor) -> Tensor:
        """Logits (B, K) of the probe; no gradient reaches the features."""
        return self.fc(features.detach().mean(dim=(2, 3)))

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, K)."""
        return self.class_scores(self.pre_logits(feats))

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample], **kwargs: object
    ) -> dict[str, Tensor]:
        """The three contrastive losses, and ``loss_cls`` of the probe.

        Counts the images' votes on the way.
        """
        features = self.pre_logits(feats)
        activation = self.disentangler(features)
        self._count(border_votes(activation))
        with torch.autocast(features.device.type, enabled=False):
            foreground, background = disentangle(features.float(), activation.float())
            losses = {
                "loss_foreground": pull_loss(foreground, self.alpha),
                "loss_background": pull_loss(background, self.alpha),
                "loss_contrast": push_loss(foreground, background),
            }
        probe = self._get_loss(self.class_scores(features), data_samples, **kwargs)
        probe["loss_cls"] = probe.pop("loss")
        return {**losses, **probe}

    def _count(self, inverted: Tensor) -> None:
        votes = torch.stack([inverted.sum(), inverted.new_tensor(len(inverted), dtype=torch.int64)])
        all_reduce(votes)
        self.votes += votes

    @property
    def inverted(self) -> bool:
        """Whether the majority of the training images says that P marks the background."""
        background, images = self.votes.tolist()
        return 2 * background > images

    def localization_maps(self, features: Tensor) -> Tensor:
        """P, or 1 - P by the vote, float32 (B, 1, h, w)."""
        activation = self.disentangler(features).float()
        return 1 - activation if self.inverted else activation

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """Scores, label and the map of each image, as ``map_labels`` [-1] and ``pred_maps``."""
        features = self.pre_logits(feats)
        samples = self._get_predictions(self.class_scores(features).float(), data_samples)
        label = torch.full((1,), -1, device=features.device)
        for sample, maps in zip(samples, self.localization_maps(features), strict=True):
            sample.set_data({"map_labels": label, "pred_maps": maps})
        return samples
