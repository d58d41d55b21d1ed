"""Binary-class detectors: mmdet's detectors trained on pseudo boxes of one class."""

from wsol_mm.models.detectors.binary_class_detector import (
    BCDDeformableDETR,
    BCDFasterRCNN,
    BCDSingleStageDetector,
    BinaryClassDetectorMixin,
    scale_supervised,
)

__all__ = [
    "BCDDeformableDETR",
    "BCDFasterRCNN",
    "BCDSingleStageDetector",
    "BinaryClassDetectorMixin",
    "scale_supervised",
]
