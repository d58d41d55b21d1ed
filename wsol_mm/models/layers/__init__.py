"""Layers that a classifier inserts behind any module of its backbone or head."""

from wsol_mm.models.layers.adl import ADL
from wsol_mm.models.layers.attentive_dropout import AttentiveDropout
from wsol_mm.models.layers.non_local import NonLocalBlock

__all__ = ["ADL", "AttentiveDropout", "NonLocalBlock"]
