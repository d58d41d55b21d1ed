"""What can hang behind any module of a network: a layer that goes on with its output, or a tap."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


class Follower(nn.Module):
    """Sees what a module returns, and may return something else in its place.

    A forward hook for life, since a wrapper around the module would rename the parameters that
    checkpoints name. A hook that is a bound method goes along when the model is copied, pickled,
    compiled or exported.

    Args:
        module: The module to follow; several followers act in the order in which they were made.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        module.register_forward_hook(self.follow)

    def follow(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
        """What takes the output's place; None leaves it."""
        return None


class InsertedLayer(Follower):
    """A layer behind a module, in training and at test.

    Args:
        module: The module whose output, a tensor, the layer gets.
        layer: The layer.
    """

    def __init__(self, module: nn.Module, layer: nn.Module) -> None:
        super().__init__(module)
        self.layer = layer

    def follow(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        """The layer's output."""
        return self.layer(output)


class Tap(Follower):
    """Keeps a module's last output while it is open (:func:`tapping`).

    Args:
        module: The module.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self.open = False
        self.output: Any = None

    def follow(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        """Keep the output, and leave it as it is."""
        if self.open:
            self.output = output


@contextmanager
def tapping(taps: Iterable[Tap]) -> Iterator[None]:
    """Open taps for the time of a ``with`` block; afterwards they hold nothing."""
    taps = list(taps)
    for tap in taps:
        tap.open = True
    try:
        yield
    finally:
        for tap in taps:
            tap.open, tap.output = False, None
