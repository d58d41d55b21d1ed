"""Parameters that share their options in one group of the optimizer.

MMEngine's constructor makes a group of each parameter as soon as a config has ``paramwise_cfg``.
PyTorch's optimizers update the tensors of a group together on a GPU, so that ResNet-50's 161 groups
are 161 updates where two would do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from wsol_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS

__all__ = ["GroupedOptimWrapperConstructor", "merge_groups"]

Group = dict[str, Any]


def merge_groups(groups: Sequence[Group]) -> list[Group]:
    """Groups of equal options as one, in the order of their first parameters.

    Args:
        groups: Mappings with ``params`` (a list) and any options, as an optimizer takes them.

    Returns:
        New groups that hold every parameter once, each with its options.

    Raises:
        ValueError: A parameter stands in two groups.

    Examples:
        >>> merge_groups([{"params": [1]}, {"params": [2], "lr": 0.1}, {"params": [3]}])
        [{'params': [1, 3]}, {'params': [2], 'lr': 0.1}]
    """
    merged: list[Group] = []
    seen: set[int] = set()
    for group in groups:
        options = {key: value for key, value in group.items() if key != "params"}
        mine = {id(parameter) for parameter in group["params"]}
        if seen & mine:
            raise ValueError(
                "optim_wrapper: a parameter that modules share would be updated twice: set "
                "optim_wrapper.paramwise_cfg.bypass_duplicate=True"
            )
        seen |= mine
        for other in merged:
            if {key: value for key, value in other.items() if key != "params"} == options:
                other["params"] += group["params"]
                break
        else:
            merged.append({"params": list(group["params"]), **options})
    return merged


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class GroupedOptimWrapperConstructor(DefaultOptimWrapperConstructor):  # type: ignore[misc]
    """MMEngine's constructor with a group for each set of options, not for each parameter.

    The tools take it for every config that names no ``optim_wrapper.constructor``; rates, decays
    and results are those of MMEngine's. An optimizer's state of one does not load into the other.
    """

    def add_params(
        self,
        params: list[Group],
        module: nn.Module,
        prefix: str = "",
        is_dcn_module: int | float | None = None,
    ) -> None:
        """Add the groups of a module; merged once the whole network is there."""
        super().add_params(params, module, prefix, is_dcn_module)
        if not prefix:
            params[:] = merge_groups(params)
