"""Networks with depthwise layers, laid out as a CPU computes them fastest."""

import sys

import torch
from torch import Tensor, nn

from wsol_mm.functional import batch_norm_clamp, depthwise_conv2d

Bounds = tuple[float, float]


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise layer with gradients that are fast on a CPU; everything else is Conv2d's."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h', w') as Conv2d gives."""
        steps = self.stride[0], int(self.padding[0]), self.dilation[0]
        return depthwise_conv2d(x, self.weight, self.bias, *steps)


class ClampedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with a ReLU, a ReLU6 or nothing behind it, in one where gradients are wanted."""

    bounds: Bounds = (-torch.inf, torch.inf)  # of the activation

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) as the two layers give; those compute it where no gradients are wanted."""
        running = None
        if not self.training and self.running_mean is not None:
            running = self.running_mean, self.running_var
        fast = torch.is_grad_enabled() and not torch.compiler.is_compiling()
        known = x.dtype is self.weight.dtype and x.dtype in (torch.float32, torch.float64)
        if not (fast and known) or (running is None and x.numel() == x.shape[1]):
            out = super().forward(x)
            if self.bounds == (-torch.inf, torch.inf):
                return out
            return out.clamp(*self.bounds) if out.requires_grad else out.clamp_(*self.bounds)
        out, mean, variance = batch_norm_clamp(
            x, self.weight, self.bias, self.eps, *self.bounds, running
        )
        if self.training and self.track_running_stats and self.running_mean is not None:
            self._track(mean, variance, x.numel() / x.shape[1])
        return out

    def _track(self, mean: Tensor, variance: Tensor, count: float) -> None:
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * (count / (count - 1)), share)


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
    """The same; besides, layers whose gradients PyTorch computes slowly get fast ones.

    Those are wide or dilated depthwise layers, and batch norms with their activations. ReLU6
    elsewhere no longer works in place: autograd would copy what it overwrites. A layer changes its
    class and stays the same object, with its name, parameters and hooks; results stay, up to
    rounding.
    """
    if not lay_out_for_cpu(model):
        return False
    for name, module in model.named_modules():
        if _slow(module):
            module.__class__ = DepthwiseConv2d
        elif (bounds := _bounds(module)) is not None:
            module.__class__ = ClampedBatchNorm2d
            module.bounds = bounds
        elif isinstance(module, nn.Hardtanh):
            module.inplace = False
        if name.rpartition(".")[2] == "backbone":
            module.register_forward_hook(lambda _m, _a, features: _pull_channels_last(features))
    return True


def _pull_channels_last(features: object) -> None:
    """Have gradients enter the network as it is stored; pooling over positions spreads others.

    Every layer up to the next convolution would read them across memory, at ten times the cost.
    """
    for feature in features if isinstance(features, tuple) else (features,):
        if isinstance(feature, Tensor) and feature.requires_grad and feature.ndim == 4:
            feature.register_hook(lambda pull: pull.contiguous(memory_format=torch.channels_last))


def _depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels


def _slow(module: nn.Module) -> bool:
    """A layer to replace: of Conv2d itself, not of a class with own rules, with wide filters."""
    return (
        type(module) is nn.Conv2d
        and _depthwise(module)
        and module.out_channels == module.in_channels
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and all(len({*pair}) == 1 for pair in (module.stride, module.padding, module.dilation))
        and module.kernel_size[0] == module.kernel_size[1]
        and (module.kernel_size[0] - 1) * module.dilation[0] > 2
    )


def _bounds(module: nn.Module) -> Bounds | None:
    """Of the activation that timm puts into a batch norm; None for a layer to leave alone."""
    if not isinstance(module, nn.BatchNorm2d) or module.weight is None:
        return None
    if type(module) is nn.BatchNorm2d:
        return -torch.inf, torch.inf
    layers = sys.modules.get("timm.layers")
    if layers is None or type(module) is not layers.BatchNormAct2d:
        return None
    if not isinstance(module.drop, nn.Identity):
        return None
    known = {nn.Identity: (-torch.inf, torch.inf), nn.ReLU: (0.0, torch.inf), nn.ReLU6: (0.0, 6.0)}
    return known.get(type(module.act))
