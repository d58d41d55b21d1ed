"""Classification heads that also say where the evidence is."""

from wsol_mm.models.heads.acol_head import ACoLHead
from wsol_mm.models.heads.alignment_head import AlignmentHead
from wsol_mm.models.heads.c2am_head import C2AMHead
from wsol_mm.models.heads.cam_head import CAMHead
from wsol_mm.models.heads.causal_cam_head import CausalCAMHead
from wsol_mm.models.heads.combinational_cam_head import CombinationalCAMHead
from wsol_mm.models.heads.ddt_head import DDTHead
from wsol_mm.models.heads.localizer_head import LocalizerHead, TappedFeatures
from wsol_mm.models.heads.sd_cam_head import SDCAMHead
from wsol_mm.models.heads.spg_head import SPGHead
from wsol_mm.models.heads.token_cut_head import TokenCutHead
from wsol_mm.models.heads.ts_cam_head import TSCAMHead

__all__ = [
    "ACoLHead",
    "AlignmentHead",
    "C2AMHead",
    "CAMHead",
    "CausalCAMHead",
    "CombinationalCAMHead",
    "DDTHead",
    "LocalizerHead",
    "SDCAMHead",
    "SPGHead",
    "TSCAMHead",
    "TappedFeatures",
    "TokenCutHead",
]
