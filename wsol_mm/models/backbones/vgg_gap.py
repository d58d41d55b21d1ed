"""VGG-16 with a global-average-pooling tail, the network of the first CAM papers."""

from collections.abc import Sequence
from typing import Literal

from mmcv.cnn import ConvModule
from mmpretrain.models.backbones import VGG
from torch import Tensor, nn

from wsol_mm.registry import MODELS

# Position of the fourth max pooling in mmpretrain's flat list of VGG-16 layers.
_POOL4 = 13


@MODELS.register_module()
class VGGGAP(VGG):
    """The convolutions of VGG-16 without the last pooling, then a 3x3 convolution with ReLU.

    Also the variants of that network for ACoL and SPG, whose heads bring convolutions of their own.

    Parameters of the trunk keep mmpretrain's names, so its ImageNet checkpoint loads (with
    ``prefix='backbone.'``); the tail ``conv6`` starts from Kaiming-normal weights (fan-out) and
    zero bias.

    Args:
        out_stride: Pixels of the input for each position of the map. 16 gives 14x14 maps for
            224x224 images; 8 leaves out the fourth pooling as well and gives 28x28.
        out_channels: Channels of the tail. Zhou et al., CVPR 2016, use 1024. Several numbers make
            as many convolutions (``conv6.0``, ``conv6.1``, ...; the causal family has 1024 twice on
            ILSVRC). None leaves the tail out: the map is that of conv5_3, with 512 channels.
        pools: ``plain`` keeps VGG's 2x2 poolings. The reference benchmark's variants: ``acol`` has
            padded 3x3 poolings throughout, without stride behind conv5 and, for an ``out_stride``
            of 8, behind conv4, and averages 3x3 positions at the end; ``spg`` has a padded 3x3
            pooling behind conv4 only (and none there for an ``out_stride`` of 8).
        negative_slope: Slope of trunk and tail below zero, ReLU by default; the causal family (as
            NL-CCAM) has LeakyReLU with 0.2.
        init_cfg: Initialisation of the trunk; Kaiming-normal by default.

    Shapes: images (B, 3, H, W) -> a tuple of one tensor (B, out_channels or 512, H/s, W/s).
    """

    def __init__(
        self,
        out_stride: Literal[8, 16] = 16,
        out_channels: int | Sequence[int] | None = 1024,
        pools: Literal["plain", "acol", "spg"] = "plain",
        negative_slope: float = 0.0,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if out_stride not in (8, 16):
            raise ValueError(f"VGGGAP: out_stride must be 8 or 16, got {out_stride}")
        if pools not in ("plain", "acol", "spg"):
            raise ValueError(f"VGGGAP: pools must be plain, acol or spg, got {pools!r}")
        act_cfg: dict = {"type": "ReLU"}
        if negative_slope:
            act_cfg = {"type": "LeakyReLU", "negative_slope": negative_slope}
        super().__init__(
            depth=16,
            with_last_pool=False,
            act_cfg=act_cfg,
            init_cfg=init_cfg or {"type": "Kaiming", "layer": "Conv2d"},
        )
        # The class-number check compares every attribute of this name with the dataset's classes;
        # a trunk has none, and `forward` below does not ask.
        del self.num_classes
        if pools == "spg":
            self.features[_POOL4] = nn.MaxPool2d(3, stride=2, padding=1)
        elif pools == "acol":
            for i, layer in enumerate(self.features):
                if isinstance(layer, nn.MaxPool2d):
                    stride = 1 if (i, out_stride) == (_POOL4, 8) else 2
                    self.features[i] = nn.MaxPool2d(3, stride=stride, padding=1)
            self.features.append(nn.MaxPool2d(3, stride=1, padding=1))
            self.features.append(nn.AvgPool2d(3, stride=1, padding=1))
        if out_stride == 8 and pools != "acol":
            self.features[_POOL4] = nn.Identity()
        if out_channels is None:
            self.conv6 = nn.Identity()
        elif isinstance(out_channels, int):
            self.conv6 = ConvModule(512, out_channels, 3, padding=1, act_cfg=act_cfg)
        else:
            widths = (512, *out_channels)
            self.conv6 = nn.Sequential(
                *(
                    ConvModule(before, after, 3, padding=1, act_cfg=act_cfg)
                    for before, after in zip(widths, out_channels, strict=False)
                )
            )

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """The map after ``conv6``."""
        return (self.conv6(self.features(x)),)

    def train(self, mode: bool = True) -> "VGGGAP":
        """Set the mode and return the module, which mmpretrain's own method does not."""
        super().train(mode)
        return self
