"""Losses that a config can name, and the recorder of a head's classification loss."""

from wsol_mm.models.losses.alignment_losses import NormLoss, SimilarityLoss
from wsol_mm.models.losses.expert_losses import AreaLoss, DifferenceLoss
from wsol_mm.models.losses.guidance_losses import ActivationGuidanceLoss, LogitsGuidanceLoss
from wsol_mm.models.losses.recorded_loss import LossCall, RecordedLoss
from wsol_mm.models.losses.self_produced_guidance_loss import SelfProducedGuidanceLoss
from wsol_mm.models.losses.weighted_entropy_loss import WeightedEntropyLoss

__all__ = [
    "ActivationGuidanceLoss",
    "AreaLoss",
    "DifferenceLoss",
    "LogitsGuidanceLoss",
    "LossCall",
    "NormLoss",
    "RecordedLoss",
    "SelfProducedGuidanceLoss",
    "SimilarityLoss",
    "WeightedEntropyLoss",
]
