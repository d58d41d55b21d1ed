"""Where a classifier keeps its last spatial features, found by running it once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from wsol_mm.functional.cam import class_activation_maps

Layout = Literal["channels_first", "channels_last", "tokens"]
# Class, distillation and register tokens that may stand before the grid.
MOST_PREFIX_TOKENS = 16


@dataclass(frozen=True)
class FeatureSite:
    """A module whose output is a grid of features.

    Attributes:
        module: The module.
        name: Its name in ``network.named_modules()``.
        layout: ``channels_first`` (B, C, h, w), ``channels_last`` (B, h, w, C), or ``tokens``
            (B, prefix + h * w, C).
        grid: (h, w).
    """

    module: nn.Module
    name: str
    layout: Layout
    grid: tuple[int, int]

    def to_map(self, output: Tensor) -> Tensor:
        """The output as (B, C, h, w); tokens before the grid are dropped."""
        if self.layout == "channels_first":
            return output
        if self.layout == "tokens":
            output = output[:, -self.grid[0] * self.grid[1] :].unflatten(1, self.grid)
        return output.permute(0, 3, 1, 2)

    @contextmanager
    def recorded(self) -> Iterator[list[Tensor]]:
        """The maps (B, C, h, w) of the forward passes made within a ``with`` block."""
        outputs: list[Tensor] = []
        handle = self.module.register_forward_hook(lambda _m, _a, output: outputs.append(output))
        maps: list[Tensor] = []
        try:
            yield maps
        finally:
            handle.remove()
            # Converted at the end: a ReLU behind the module may work in place.
            maps += [self.to_map(output) for output in outputs]


@dataclass(frozen=True)
class PooledLinear:
    """Global average pooling with a linear layer behind it: a network that is its own CAM.

    Attributes:
        site: Where the pooled features come from.
        linear: The layer whose rows weigh them; None where the network pools class scores.
    """

    site: FeatureSite
    linear: nn.Module | None

    def weight(self) -> Tensor | None:
        """Rows (K, C) of the linear layer; None where channels are classes already."""
        return None if self.linear is None else self.linear.weight.flatten(1)

    def maps(self, features: Tensor, labels: Tensor) -> Tensor:
        """Class activation maps.

        Args:
            features: (B, C, h, w), as :meth:`FeatureSite.recorded` gives them.
            labels: int64 (B, k).

        Returns:
            float32 (B, k, h, w).
        """
        weight, features = self.weight(), features.float()
        if weight is None:
            places = labels[:, :, None, None].expand(-1, -1, *features.shape[2:])
            return features.gather(1, places)
        return class_activation_maps(features, weight.float(), labels)


@dataclass(frozen=True)
class _Call:
    name: str
    module: nn.Module
    inputs: tuple[Any, ...]
    output: Tensor


def find_pooled_linear(network: nn.Module, inputs: Tensor) -> PooledLinear | None:
    """Find the global average pooling and the linear layer at a network's end.

    The network runs once; a module counts when its output's mean over space *is* what the linear
    layer got, and the layer's output is the network's. So names and classes do not matter, and a
    network with a layer in between (ConvNeXt's norm, VGG's three layers) is none.

    Args:
        network: In eval mode; returns logits (B, K).
        inputs: (B, 3, H, W), at the size that images will have.

    Returns:
        None where the network does not end in this way.

    Raises:
        ValueError: The network does not return logits (B, K).

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 2, stride=2), nn.AdaptiveAvgPool2d(1),
        ...                         nn.Flatten(), nn.Linear(8, 2))
        >>> found = find_pooled_linear(network, torch.rand(1, 3, 8, 8))
        >>> found.site.name, found.linear is network[3]
        ('0', True)
    """
    with torch.no_grad():
        logits, calls = _record(network, inputs)
    for last in reversed(calls):
        weight = getattr(last.module, "weight", None)
        is_linear = isinstance(last.module, nn.Linear) or (
            isinstance(last.module, nn.Conv2d) and last.module.kernel_size == (1, 1)
        )
        if is_linear and weight is not None and _same(last.output.flatten(1), logits):
            pooled = last.inputs[0].flatten(1)
            site = _pooled_site(calls, pooled, inputs)
            return None if site is None else PooledLinear(site, last.module)
    site = _pooled_site(calls, logits, inputs)
    return None if site is None else PooledLinear(site, None)


def find_target_layer(network: nn.Module, inputs: Tensor) -> FeatureSite:
    """Find the last layer that a method such as Grad-CAM can explain a network by.

    It is the last module in order of execution whose output is a grid of features with an influence
    on the logits. The class token of a transformer reads the others in the last attention block for
    the last time, so the norm before that block is found, not the norm at the end.

    Args:
        network: In eval mode; returns logits (B, K).
        inputs: (B, 3, H, W), at the size that images will have.

    Returns:
        The layer, the layout of its output and its grid.

    Raises:
        ValueError: There is none: name one by ``target_layer``.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 2, stride=2), nn.ReLU(), nn.Flatten(),
        ...                         nn.Linear(128, 2))
        >>> find_target_layer(network, torch.rand(1, 3, 8, 8)).name
        '1'
    """
    with torch.enable_grad():
        logits, calls = _record(network, inputs.detach().clone().requires_grad_())
        grids = [_layout(call.output, inputs, calls) for call in calls]
        spatial = [
            (call, *grid) for call, grid in zip(calls, grids, strict=True) if grid is not None
        ]
        outputs = [call.output for call, *_ in spatial]
        total = logits.float().square().sum()
        gradients = torch.autograd.grad(total, outputs, allow_unused=True) if outputs else ()
    for (call, layout, grid), gradient in reversed(list(zip(spatial, gradients, strict=True))):
        site = FeatureSite(call.module, call.name, layout, grid)
        if gradient is not None and bool(site.to_map(gradient).any()):
            return site
    raise ValueError(
        f"{type(network).__name__}: no layer with a grid of features was found; name one of "
        "model.named_modules() by target_layer"
    )


def named_site(network: nn.Module, name: str, inputs: Tensor) -> FeatureSite:
    """The layer of that name as a :class:`FeatureSite`.

    Args:
        network: In eval mode; returns logits (B, K).
        name: As in ``network.named_modules()``.
        inputs: (B, 3, H, W), at the size that images will have.

    Raises:
        ValueError: It does not run exactly once, or its output is not a grid of features.
    """
    with torch.no_grad():
        _, calls = _record(network, inputs)
    shapes = [tuple(call.output.shape) for call in calls if call.name == name]
    if len(shapes) == 1:
        call = next(call for call in calls if call.name == name)
        found = _layout(call.output, inputs, calls)
        if found is not None:
            return FeatureSite(call.module, name, *found)
    raise ValueError(
        f"target_layer '{name}' must run once and give (B, C, h, w) or tokens (B, N, C), its "
        f"outputs were {shapes}: name another module"
    )


def _record(network: nn.Module, inputs: Tensor) -> tuple[Tensor, list[_Call]]:
    """Logits, and what every module got and gave, in the order in which they ended."""
    calls: list[_Call] = []
    handles = []
    for name, module in network.named_modules():
        if name:

            def keep(module: nn.Module, args: tuple, output: Any, name: str = name) -> None:
                if isinstance(output, Tensor) and output.is_floating_point():
                    calls.append(_Call(name, module, args, output))

            handles.append(module.register_forward_hook(keep))
    try:
        logits = network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(inputs):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"{type(network).__name__}: expected a classifier that returns logits (B, K), got "
            f"{shape}"
        )
    return logits, calls


def _pooled_site(calls: list[_Call], pooled: Tensor, inputs: Tensor) -> FeatureSite | None:
    """The last module whose output's mean over the grid is ``pooled``."""
    for call in reversed(calls):
        found = _layout(call.output, inputs, calls)
        if found is not None:
            site = FeatureSite(call.module, call.name, *found)
            mean = site.to_map(call.output).mean(dim=(2, 3))
            if _same(mean, pooled):
                return site
    return None


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    scale = float(other.abs().max())
    return scale > 0 and bool(((one - other).abs() <= 1e-4 * scale).all())


def _layout(
    output: Tensor, inputs: Tensor, calls: list[_Call]
) -> tuple[Layout, tuple[int, int]] | None:
    """How an output holds a grid of features, if it does.

    A grid has the input's aspect and at most half its resolution; the grid of tokens is that of the
    last convolution before them, the patch embedding.
    """
    if len(output) != len(inputs):
        return None
    if output.dim() == 4:
        found: list[tuple[int, Layout, tuple[int, int]]] = []
        for layout, grid, channels in (
            ("channels_first", output.shape[2:], output.shape[1]),
            ("channels_last", output.shape[1:3], output.shape[3]),
        ):
            if _is_grid(grid, inputs):
                found.append((channels, layout, (int(grid[0]), int(grid[1]))))
        return max(found)[1:] if found else None
    if output.dim() == 3:
        for call in reversed(calls):
            if call.output.dim() == 4 and isinstance(call.module, nn.Conv2d):
                height, width = call.output.shape[2:]
                prefix = output.shape[1] - height * width
                if (
                    0 <= prefix <= MOST_PREFIX_TOKENS
                    and call.output.shape[1] == output.shape[2]
                    and _is_grid((height, width), inputs)
                ):
                    return "tokens", (height, width)
    return None


def _is_grid(grid: Any, inputs: Tensor) -> bool:
    """Whether (h, w) is a coarser raster of the input: its aspect, within rounding."""
    (height, width), (full_height, full_width) = grid, inputs.shape[2:]
    if height * width < 2 or 2 * height > full_height or 2 * width > full_width:
        return False
    stride = full_height / height
    return abs(full_width / stride - width) <= 1
