"""Networks with depthwise layers, laid out as a CPU computes them fastest."""

import torch
from torch import Tensor, nn

from wsol_mm.functional import dilated_depthwise_conv2d


class SubgridConv2d(nn.Conv2d):
    """A dilated depthwise layer that trains on interleaved grids; its inference is Conv2d's."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) as Conv2d gives."""
        if not torch.is_grad_enabled():  # forward alone is as fast, and exports as one operator
            return super().forward(x)
        return dilated_depthwise_conv2d(x, self.weight, self.bias, self.dilation[0])


def lay_out_for_cpu(model: nn.Module) -> bool:
    """Store a network with depthwise layers channels last, in place; leave any other as it is.

    Results stay, up to rounding. What it saves: ``benchmarks/layout.py``.

    Args:
        model: On the CPU.

    Returns:
        Whether there was something to do.
    """
    if not any(_depthwise(module) for module in model.modules()):
        return False
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return True


def lay_out_for_cpu_training(model: nn.Module) -> bool:
    """The same, and dilated depthwise layers become :class:`SubgridConv2d`.

    Names, parameters and results stay, the latter up to rounding.
    """
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if _dilated(layer):
                setattr(parent, name, _subgrid(layer))
    return lay_out_for_cpu(model)


def _depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels


def _dilated(module: nn.Module) -> bool:
    """A layer that the grids can stand in for: of Conv2d itself, not of a class with own rules."""
    return (
        type(module) is nn.Conv2d
        and _depthwise(module)
        and module.out_channels == module.in_channels
        and module.stride == (1, 1)
        and module.dilation[0] == module.dilation[1] > 1
        and module.kernel_size[0] == module.kernel_size[1]
        and module.kernel_size[0] % 2 == 1
        and module.padding == (module.dilation[0] * (module.kernel_size[0] // 2),) * 2
        and module.padding_mode == "zeros"
    )


def _subgrid(layer: nn.Conv2d) -> SubgridConv2d:
    with torch.device("meta"):
        grid = SubgridConv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=layer.groups,
            bias=layer.bias is not None,
        )
    grid.weight, grid.bias = layer.weight, layer.bias
    return grid.train(layer.training)
