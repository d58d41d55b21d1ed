"""Binary-class detectors: mmdet's detectors trained on pseudo boxes of one class."""

from wsol_mm.models.detectors.binary_class_detector import BinaryClassDetector
from wsol_mm.models.detectors.entropy_sources import KINDS, EntropySource, entropy_source

__all__ = ["KINDS", "BinaryClassDetector", "EntropySource", "entropy_source"]
