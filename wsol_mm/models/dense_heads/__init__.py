"""Heads on feature maps: mmdet's with the targets of a batch at once, CLN's RPN and SCR."""

from wsol_mm.models.dense_heads.batch_targets import (
    BatchAnchorTargets,
    BatchDeformableDETRHead,
    BatchFCOSHead,
    BatchPointTargets,
    BatchQueryTargets,
    BatchRPNHead,
)
from wsol_mm.models.dense_heads.cln_rpn_head import CLNRPNHead
from wsol_mm.models.dense_heads.single_class_regression_head import SingleClassRegressionHead

__all__ = [
    "BatchAnchorTargets",
    "BatchDeformableDETRHead",
    "BatchFCOSHead",
    "BatchPointTargets",
    "BatchQueryTargets",
    "BatchRPNHead",
    "CLNRPNHead",
    "SingleClassRegressionHead",
]
