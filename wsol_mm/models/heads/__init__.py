"""Classification heads that also say where the evidence is."""

from wsol_mm.models.heads.cam_head import CAMHead

__all__ = ["CAMHead"]
