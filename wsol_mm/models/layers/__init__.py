"""Layers that a classifier inserts behind any module of its backbone or head, and context pools."""

from wsol_mm.models.layers.adl import ADL
from wsol_mm.models.layers.attentive_dropout import AttentiveDropout
from wsol_mm.models.layers.causal_context_pool import CausalContextPool
from wsol_mm.models.layers.context_pool_controls import (
    AveragedContextPool,
    GaussianContextPool,
    OracleContextPool,
    ShuffledContextPool,
    ZeroContextPool,
)
from wsol_mm.models.layers.non_local import NonLocalBlock

__all__ = [
    "ADL",
    "AttentiveDropout",
    "AveragedContextPool",
    "CausalContextPool",
    "GaussianContextPool",
    "NonLocalBlock",
    "OracleContextPool",
    "ShuffledContextPool",
    "ZeroContextPool",
]
