"""Rows of benchmarks/effects.py: a module for each family, a group for each table."""

from effect_rows import benchmark_methods, bridgegap, causal, lcar, wend
from wsol_mm.apis.effects import Effect

GROUPS: dict[str, tuple[Effect, ...]] = {
    **benchmark_methods.GROUPS,
    **bridgegap.GROUPS,
    **causal.GROUPS,
    **lcar.GROUPS,
    **wend.GROUPS,
}
