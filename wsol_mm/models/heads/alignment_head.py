"""CAM head whose features are aligned with the classifier's weights."""

from typing import Any

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.alignment import (
    norm_regions,
    normalized_norm_map,
    similarity_maps,
    similarity_regions,
)
from wsol_mm.models.heads.cam_head import CAMHead
from wsol_mm.models.heads.localizer_head import target_labels
from wsol_mm.registry import MODELS


@MODELS.register_module()
class AlignmentHead(CAMHead):
    """CAM head with BridgeGap's feature direction alignment (Kim et al., CVPR 2022, section 4.1).

    A term that is left out, of weight 0, or not ``enabled`` (``wsol_mm.WarmStageHook``) is not
    computed. Beside a term the shares of positions that it takes for foreground and background are
    logged: ``share_fg_norm`` and ``share_bg_norm``, told by the norm, for ``loss_sim``;
    ``share_fg_similarity`` and ``share_bg_similarity`` for ``loss_norm``. Under CutMix and the like
    an image's class is that of its larger share.

    Args:
        loss_sim: ``dict(type='wsol_mm.SimilarityLoss', ...)``.
        loss_norm: ``dict(type='wsol_mm.NormLoss', rule=...)``.
        **kwargs: Of :class:`CAMHead`.
    """

    def __init__(
        self, *, loss_sim: dict | None = None, loss_norm: dict | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.loss_sim = loss_sim and MODELS.build(loss_sim)
        self.loss_norm = loss_norm and MODELS.build(loss_norm)

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample], **kwargs: Any
    ) -> dict[str, Tensor]:
        """The classification loss and, where they take part, ``loss_sim`` and ``loss_norm``."""
        features = self.pre_logits(feats)
        losses = self._get_loss(self.class_scores(features), data_samples, **kwargs)
        return {**losses, **self._alignment(features, data_samples)}

    def _alignment(self, features: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        sim, norm = _active(self.loss_sim), _active(self.loss_norm)
        if sim is None and norm is None:
            return {}
        losses = {}
        labels = target_labels(data_samples, features.device)[:, None]
        norm01 = normalized_norm_map(features)
        if sim is not None:
            own = similarity_maps(features, self.fc.weight, labels)
            losses["loss_sim"] = sim(norm01, own[:, 0])
            losses |= _shares("norm", norm_regions(norm01, sim.tau_fg, sim.tau_bg))
        if norm is not None:
            with torch.no_grad():  # they only mark regions
                wanted = labels if norm.rule == "general" else None
                marks = similarity_maps(features, self.fc.weight, wanted)
            losses["loss_norm"] = norm(norm01, marks)
            losses |= _shares("similarity", similarity_regions(marks))
        return losses


def _shares(rule: str, regions: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Shares of a batch's positions in the foreground and in the background of a rule."""
    foreground, background = (region.float().mean() for region in regions)
    return {f"share_fg_{rule}": foreground, f"share_bg_{rule}": background}


def _active(loss: nn.Module | None) -> nn.Module | None:
    """The loss, unless it has no part in this step."""
    return loss if loss is not None and loss.enabled and loss.loss_weight else None
