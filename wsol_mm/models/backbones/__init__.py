"""Backbones that MMPretrain lacks: the field's map-producing variants of its networks."""

from wsol_mm.models.backbones.inception_v3_maps import InceptionV3Maps
from wsol_mm.models.backbones.vgg_gap import VGGGAP

__all__ = ["VGGGAP", "InceptionV3Maps"]
