"""What benchmarks of models measure with: time in turn, peak memory, multiply-adds.

On a CPU, times are those of the process on one thread, which other work does not lengthen; on a
GPU they are wall time. Memory is what torch's allocator gave out.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor

Call = Callable[[], object]


@cache
def random_images(count: int, side: int) -> Tensor:
    """uint8 (count, 3, side, side), the same ones each time, drawn once."""
    import torch

    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)


class Subject:
    """A model with its optimizer and one batch, on which everything is measured.

    The learning rate is 0, so that every step does the same work.

    Args:
        cfg: A whole config; its ``model`` and ``optim_wrapper`` are built.
        batch: Makes what the dataloader would give, the same each time: a step may write into it.
        device: ``cpu`` or a GPU's.
        lay_out: What is done to a model on a CPU; None for what the tools do.
    """

    def __init__(
        self,
        cfg: Config,
        batch: Callable[[], dict[str, Any]],
        device: str,
        lay_out: Callable[[Any], bool] | None = None,
    ) -> None:
        import torch
        from mmengine.optim import build_optim_wrapper
        from mmengine.registry import MODELS, DefaultScope

        from wsol_mm.models.cpu_layout import lay_out_for_cpu_training

        cfg.optim_wrapper.optimizer.lr = 0.0
        self.batch, self.device = batch, device
        model = cfg.model
        if "data_preprocessor" in cfg:
            model.setdefault("data_preprocessor", cfg.data_preprocessor)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            torch.manual_seed(0)
            self.model = MODELS.build(model).to(device)
            if device == "cpu":
                (lay_out or lay_out_for_cpu_training)(self.model)
            grouped = {"constructor": "wsol_mm.GroupedOptimWrapperConstructor"}  # as the tools do
            self.optimizer = build_optim_wrapper(self.model, {**grouped, **cfg.optim_wrapper})

    def train(self) -> None:
        """One training step: forward, backward, optimizer."""
        self.model.train()
        self.model.train_step(self.batch(), self.optimizer)

    def test(self) -> None:
        """One batch at test."""
        import torch

        self.model.eval()
        with torch.no_grad():
            self.model.test_step(self.batch())

    def held(self) -> int:
        """Bytes of parameters (of teachers too), buffers and the optimizer's state."""
        import torch

        tensors = [*self.model.parameters(), *self.model.buffers()]
        for state in self.optimizer.optimizer.state.values():
            tensors += [value for value in state.values() if torch.is_tensor(value)]
        return sum(tensor.nbytes for tensor in tensors)

    def memory(self, call: Call) -> int:
        """Bytes held, plus the peak of what one call allocates beyond that."""
        return self.held() + peak_memory(call, self.device)


def peak_memory(call: Call, device: str = "cpu") -> int:
    """Most bytes that one call holds at once beyond those held before it."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        call()
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    total = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        total += event.nbytes()
        peak = max(peak, total)
    return peak


def multiply_adds(call: Call) -> int:
    """Multiply-adds of convolutions and matrix products in one call, with its random draws fixed.

    >>> import torch
    >>> multiply_adds(lambda: torch.ones(2, 3) @ torch.ones(3, 5))
    30
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    torch.manual_seed(0)
    backward = {torch.ops.aten.convolution_backward: _convolution_backward}
    with FlopCounterMode(display=False, custom_mapping=backward) as counter:
        call()
    return counter.get_total_flops() // 2


def _convolution_backward(
    grad: Sequence[int], x: Sequence[int], weight: Sequence[int], *others: Any, **_: Any
) -> int:
    """Operations of a convolution's gradients, as many for each as its forward pass has.

    PyTorch's own formula forgets the groups: it takes a depthwise layer's for a dense one's.
    """
    transposed, wanted = others[4], others[7]
    positions = x if transposed else grad
    return 2 * math.prod(positions[2:]) * grad[0] * math.prod(weight) * sum(wanted[:2])


def clock(call: Call, device: str, wall: bool = False) -> float:
    """Milliseconds of one call: of the process on a CPU, of the wall clock on a GPU or if asked."""
    import torch

    def wait() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    now = time.process_time if device == "cpu" and not wall else time.perf_counter
    wait()
    start = now()
    call()
    wait()
    return (now() - start) * 1e3


def where_measured(device: str) -> str:
    """What the times are of, in words."""
    import torch

    return "CPU time on one thread" if device == "cpu" else torch.cuda.get_device_name()


def take_turns(
    calls: Mapping[str, Call],
    rounds: int,
    device: str,
    warm: Collection[str] = (),
    *,
    wall: bool = False,
) -> dict[str, list[float]]:
    """Milliseconds of each call in each round, calls in turn.

    A slow minute of the machine hits all of them, and another one is the first in each round.

    Args:
        calls: Name -> call, warmed up already.
        rounds: How often each is timed.
        device: ``cpu`` or a GPU's.
        warm: Names of calls that are made once more right before they are timed: short ones, which
            are slower the first time after another model.
        wall: Take the wall clock on a CPU too.
    """
    names = list(calls)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % max(len(names), 1)
        for name in names[first:] + names[:first]:
            if name in warm:
                calls[name]()
            times[name].append(clock(calls[name], device, wall))
    return times


def ratio(mine: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over the rounds of the ratio in a round, which drifts of the machine leave alone.

    >>> ratio([2.0, 9.0, 40.0], [1.0, 3.0, 10.0])
    3.0
    """
    return statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
