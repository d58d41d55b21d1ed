"""Self-attention between all positions of a feature map, as NL-CCAM inserts it into backbones."""

from torch import Tensor, nn

from wsol_mm.functional.position_attention import gather_positions
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS


@MODELS.register_module()
class NonLocalBlock(nn.Module):
    """Embedded-Gaussian non-local block that starts as the identity.

    ``y = x + BN(W_o sum_j softmax_j(q_i . k_j) v_j)`` (Wang et al., CVPR 2018), in the form of the
    code released with NL-CCAM (Yang et al., WACV 2020): queries and keys are reduced, values are
    not, dot products are not scaled, positions are not sub-sampled, every 1x1 convolution has a
    bias, and the batch norm starts from weight 0 and bias 0. ``mmcv.cnn.NonLocal2d`` differs: it
    reduces the values too, scales by default and drops the output's bias.

    The attention (:func:`wsol_mm.functional.position_attention.gather_positions`) is computed in
    float32 whatever the surrounding precision: without scaling its exponents leave half precision.

    Args:
        channels: Channels C of the map.
        reduction: Queries and keys have C / reduction channels.

    Shapes: (B, C, h, w) -> (B, C, h, w).

    Raises:
        ValueError: ``reduction`` does not divide ``channels``.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        if reduction < 1 or channels < 1 or channels % reduction:
            raise ValueError(
                f"NonLocalBlock: reduction={reduction} must divide channels={channels}"
            )
        self.query = nn.Conv2d(channels, channels // reduction, 1)
        self.key = nn.Conv2d(channels, channels // reduction, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The map plus what every position gathers from all of them."""
        query, key, value = (
            layer(x).flatten(2).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        with full_precision(x):
            gathered = gather_positions(query.float(), key.float(), value.float())
        gathered = gathered.transpose(1, 2).reshape(x.shape)
        return x + self.norm(self.out(gathered))
