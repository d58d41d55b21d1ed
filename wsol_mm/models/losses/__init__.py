"""Losses that a config can name, and the mixin that adds them to a head."""

from wsol_mm.models.losses.alignment_losses import NormLoss, SimilarityLoss
from wsol_mm.models.losses.self_produced_guidance_loss import SelfProducedGuidanceLoss
from wsol_mm.models.losses.weighted_entropy_loss import WeightedEntropyLoss
from wsol_mm.models.losses.weighted_entropy_mixin import WeightedEntropyMixin

__all__ = [
    "NormLoss",
    "SelfProducedGuidanceLoss",
    "SimilarityLoss",
    "WeightedEntropyLoss",
    "WeightedEntropyMixin",
]
