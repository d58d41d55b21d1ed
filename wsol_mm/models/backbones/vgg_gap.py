"""VGG-16 with a global-average-pooling tail, the network of the first CAM papers."""

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

    Parameters of the trunk keep mmpretrain's names, so its ImageNet checkpoint loads (with
    ``prefix='backbone.'``); the tail ``conv6`` starts from Kaiming-normal weights (fan-out) and
    zero bias.

    Args:
        out_stride: Pixels of the input for each position of the map. 16 gives 14x14 maps for
            224x224 images; 8 leaves out the fourth pooling as well and gives 28x28.
        out_channels: Channels of the tail. Zhou et al. (CVPR 2016) use 1024.
        init_cfg: Initialisation of the trunk; Kaiming-normal by default.

    Shapes: images (B, 3, H, W) -> a tuple of one tensor (B, out_channels, H/s, W/s).
    """

    def __init__(
        self,
        out_stride: Literal[8, 16] = 16,
        out_channels: int = 1024,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if out_stride not in (8, 16):
            raise ValueError(f"VGGGAP: out_stride must be 8 or 16, got {out_stride}")
        super().__init__(
            depth=16,
            with_last_pool=False,
            init_cfg=init_cfg or {"type": "Kaiming", "layer": "Conv2d"},
        )
        # The class-number check compares every attribute of this name with the dataset's classes;
        # a trunk has none, and `forward` below does not ask.
        del self.num_classes
        if out_stride == 8:
            self.features[_POOL4] = nn.Identity()
        self.conv6 = ConvModule(512, out_channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """The map after ``conv6``."""
        return (self.conv6(self.features(x)),)

    def train(self, mode: bool = True) -> "VGGGAP":
        """Set the mode and return the module, which mmpretrain's own method does not."""
        super().train(mode)
        return self
