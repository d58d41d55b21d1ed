"""Classifiers that train with more than one pass, or look into the middle of a network."""

from wsol_mm.models.classifiers.expert_classifier import CausalExpert
from wsol_mm.models.classifiers.frozen_classifier import FrozenClassifier
from wsol_mm.models.classifiers.grad_cam_classifier import GradCAMClassifier
from wsol_mm.models.classifiers.guided_classifier import GuidedClassifier
from wsol_mm.models.classifiers.tta_model import WSOLTTAModel
from wsol_mm.models.classifiers.two_pass_classifier import TwoPassClassifier
from wsol_mm.models.classifiers.wsol_classifier import WSOLClassifier

__all__ = [
    "CausalExpert",
    "FrozenClassifier",
    "GradCAMClassifier",
    "GuidedClassifier",
    "TwoPassClassifier",
    "WSOLClassifier",
    "WSOLTTAModel",
]
