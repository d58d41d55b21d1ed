"""Evaluation: protocols, per-image records and the metrics."""

from wsol_mm.evaluation.dump_maps import DumpMaps
from wsol_mm.evaluation.dump_scores import DumpScores
from wsol_mm.evaluation.wsol_metric import WSOLMetric

__all__ = ["DumpMaps", "DumpScores", "WSOLMetric"]
