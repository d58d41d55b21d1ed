"""Inception V3 up to its last 17x17 stage, as weakly supervised localization uses it."""

from typing import Literal

from mmpretrain.models.backbones import InceptionV3
from torch import Tensor, nn

from wsol_mm.registry import MODELS

_STAGES = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1"),
    *("Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d"),
    *("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
)


@MODELS.register_module()
class InceptionV3Maps(InceptionV3):
    """Inception V3 (Szegedy et al., CVPR 2016) cut after ``Mixed_6e``; its maps have 768 channels.

    Parameters keep mmpretrain's names, so its ImageNet checkpoint loads (with
    ``prefix='backbone.'``; the stages behind the cut are left over).

    Args:
        layout: ``original`` keeps every stride and padding: 17x17 maps for 299x299 images (the
            CI-CAM family). ``dense`` is the reference benchmark's network for 224x224 images:
            padding in the first convolution, padded ceil-mode stem poolings and no stride in
            ``Mixed_6a``, which gives 28x28.
        init_cfg: Initialisation; the parent's truncated normal by default.

    Shapes: images (B, 3, H, W) -> a tuple of one tensor (B, 768, h, w).
    """

    def __init__(
        self,
        layout: Literal["original", "dense"] = "original",
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if layout not in ("original", "dense"):
            raise ValueError(f"InceptionV3Maps: layout must be original or dense, got {layout!r}")
        super().__init__(
            init_cfg=init_cfg
            or [
                {"type": "TruncNormal", "layer": "Conv2d", "std": 0.1},
                {"type": "Constant", "layer": "BatchNorm2d", "val": 1},
            ]
        )
        for behind_the_cut in [name for name, _ in self.named_children() if name not in _STAGES]:
            delattr(self, behind_the_cut)
        if layout == "dense":
            self.Conv2d_1a_3x3.conv.padding = (1, 1)
            self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2, padding=1, ceil_mode=True)
            self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2, padding=1, ceil_mode=True)
            for unit in (self.Mixed_6a.branch3x3.conv, self.Mixed_6a.branch3x3dbl_3.conv):
                unit.stride, unit.padding = (1, 1), (1, 1)
            self.Mixed_6a.branch_pool = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """The map after ``Mixed_6e``."""
        for name in _STAGES:
            x = getattr(self, name)(x)
        return (x,)
