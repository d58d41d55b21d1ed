"""Heads on feature maps: mmdet's with WEND's entropy, CLN's RPN and single-class regression."""

from wsol_mm.models.dense_heads.batch_targets import (
    BatchAnchorTargets,
    BatchPointTargets,
    BatchQueryTargets,
    BatchRPNHead,
)
from wsol_mm.models.dense_heads.cln_rpn_head import CLNRPNHead
from wsol_mm.models.dense_heads.single_class_regression_head import SingleClassRegressionHead
from wsol_mm.models.dense_heads.weighted_entropy_deformable_detr_head import WEDeformableDETRHead
from wsol_mm.models.dense_heads.weighted_entropy_dense_heads import (
    WEFCOSHead,
    WeightedEntropyDenseMixin,
    WERetinaHead,
)

__all__ = [
    "BatchAnchorTargets",
    "BatchPointTargets",
    "BatchQueryTargets",
    "BatchRPNHead",
    "CLNRPNHead",
    "SingleClassRegressionHead",
    "WEDeformableDETRHead",
    "WEFCOSHead",
    "WERetinaHead",
    "WeightedEntropyDenseMixin",
]
