"""Rows of studies.effects: a module for each family, a group for each table."""

from studies.effects.effect import Effect
from studies.effects.rows import benchmark_methods, bridgegap, causal, lcar, wend

GROUPS: dict[str, tuple[Effect, ...]] = {
    **benchmark_methods.GROUPS,
    **bridgegap.GROUPS,
    **causal.GROUPS,
    **lcar.GROUPS,
    **wend.GROUPS,
}
