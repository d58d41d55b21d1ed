"""Dense heads that extend mmdet's."""

from wsol_mm.models.dense_heads.weighted_entropy_dense_heads import (
    WEFCOSHead,
    WeightedEntropyDenseMixin,
    WERetinaHead,
)

__all__ = ["WEFCOSHead", "WERetinaHead", "WeightedEntropyDenseMixin"]
