"""Every head that localizes, small, with weights and features made of sines: no random stream."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsol_mm.models import heads
from wsol_mm.models.heads import LocalizerHead, TappedFeatures

CLASSES, CHANNELS, GRID, ATTENTION_HEADS = 5, 8, (4, 6), 2


def wave(*shape: int, start: float = 0.0) -> Tensor:
    """Values in [-1, 1] that never repeat."""
    count = torch.Size(shape).numel()
    return torch.sin(0.7 * torch.arange(count) ** 1.1 + start).view(shape)


def fill(head: LocalizerHead) -> LocalizerHead:
    """Give parameters, and buffers of more than one dimension, values that their shape tells."""
    with torch.no_grad():
        for tensor in (*head.parameters(), *head.buffers()):
            if tensor.is_floating_point() and (
                isinstance(tensor, nn.Parameter) or tensor.dim() > 1
            ):
                tensor.copy_(0.5 * wave(*tensor.shape, start=tensor.numel()))
    return head.eval()


def plain(count: int, start: float = 0.0) -> tuple[Tensor, ...]:
    """A backbone's last map."""
    return (torch.stack([wave(CHANNELS, *GRID, start=start + i) for i in range(count)]),)


def tokens(count: int, start: float = 0.0) -> TappedFeatures:
    """Tokens whose keys part the image into an object and the rest, as a transformer gives them."""
    number = GRID[0] * GRID[1]
    keys = torch.zeros(*GRID, CHANNELS)
    keys[..., 0], keys[1:3, 2:4] = 1, 0
    keys[1:3, 2:4, 1] = 1
    all_tokens = torch.stack([wave(1 + number, CHANNELS, start=start + i) for i in range(count)])
    qkv = torch.stack([wave(1 + number, 3 * CHANNELS, start=start - i) for i in range(count)])
    inner = qkv[:, 1:, CHANNELS : 2 * CHANNELS]
    inner.mul_(0.3).add_(keys.view(number, CHANNELS))
    score_map = all_tokens[:, 1:].mT.reshape(count, CHANNELS, *GRID)
    return TappedFeatures((score_map,), {"qkv": qkv, "tokens": all_tokens})


def layers(count: int, start: float = 0.0) -> TappedFeatures:
    """As :func:`tokens`, with two layers' attention."""
    one, two = (tokens(count, start + shift) for shift in (0.0, 9.0))
    return TappedFeatures(one, {"qkv": (one.taps["qkv"], two.taps["qkv"])})


@dataclass(frozen=True)
class Case:
    """A head and the features it reads.

    Attributes:
        kind: The head's class.
        keys: Its arguments, besides the numbers of classes and channels.
        features: Makes the features of so many images.
    """

    kind: type[LocalizerHead]
    keys: dict
    features: Callable[..., tuple[Tensor, ...]] = plain

    def build(self) -> LocalizerHead:
        """The head, filled, in eval mode."""
        return fill(self.kind(num_classes=CLASSES, in_channels=CHANNELS, **self.keys))


NEGATIVE = {"combination": {"name": "neg_quadratic"}}
POOL = {"type": "wsol_mm.CausalContextPool", "size": GRID}
CASES = {
    "acol": Case(heads.ACoLHead, {"threshold": 0.6, "hidden_channels": (6, 3)}),
    "cam": Case(heads.CAMHead, {}),
    "cam hidden": Case(heads.CAMHead, {"hidden_channels": (6,), "map_bias": True}),
    "cam norm": Case(heads.CAMHead, {"map_kind": "norm"}),
    "cam similarity": Case(heads.CAMHead, {"map_kind": "similarity"}),
    "causal": Case(heads.CausalCAMHead, {"context_pool": POOL, **NEGATIVE}),
    "combinational": Case(heads.CombinationalCAMHead, NEGATIVE),
    "sd_cam": Case(heads.SDCAMHead, {"hidden_channels": 16}, tokens),
    "sd_cam cam": Case(heads.SDCAMHead, {"map_kind": "cam"}, tokens),
    "sd_cam token": Case(heads.SDCAMHead, {"sign": "token"}, tokens),
    "spg": Case(heads.SPGHead, {"branch_in_channels": (4, 4)}),
    "token_cut": Case(heads.TokenCutHead, {}, tokens),
    "token_cut mask": Case(heads.TokenCutHead, {"map_kind": "mask", "mask_size": 2}, tokens),
    "ts_cam": Case(heads.TSCAMHead, {"num_heads": ATTENTION_HEADS}, layers),
    "ts_cam attention": Case(
        heads.TSCAMHead, {"num_heads": ATTENTION_HEADS, "map_kind": "attention"}, layers
    ),
}
# A head that needs its sizes alone and reads the last map is a case by itself.
NAMED = {case.kind for case in CASES.values()}
CASES |= {
    name.removesuffix("Head").lower(): Case(kind, {})
    for name, kind in vars(heads).items()
    if name in heads.__all__ and name.endswith("Head") and kind not in {*NAMED, LocalizerHead}
}
