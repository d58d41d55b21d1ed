"""KG-CI-CAM's experts: CI-CAM that also classifies the foreground and background it finds."""

from typing import Any, Literal, get_args

import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.masking import foreground_masks
from wsol_mm.models.batch_norm import by_running_statistics, training_norms, untracked
from wsol_mm.models.classifiers.wsol_classifier import WSOLClassifier
from wsol_mm.models.heads.causal_cam_head import CausalCAMHead
from wsol_mm.models.heads.localizer_head import target_labels
from wsol_mm.models.true_box_masks import true_box_masks
from wsol_mm.registry import MODELS

Masks = Literal["own", "true_boxes"]
MaskedBatchNorm = Literal["running", "joint", "clean", "separate"]


@MODELS.register_module()
class CausalExpert(WSOLClassifier):
    """CI-CAM trained with masked copies of its own images, as one of KG-CI-CAM's two experts.

    Shao et al., KG-CI-CAM, sections III-C2 and III-C3. After the pass over the images, the combined
    map of the second branch, ranked by its predictions and never by the label, splits them into
    foreground and background. Masked images go through the network again, up to the logits of the
    first branch: no pool, no update of the pool. Masked pixels are 0 behind the normalisation. All
    passes learn; the masks are hard and do not.

    Without losses, or where their ``loss_weight`` is 0, and at test, it is
    :class:`wsol_mm.WSOLClassifier`: a pass is only made for a loss that needs it.

    Args:
        loss_fore: Any loss of logits and classes, such as
            ``dict(type='mmpretrain.CrossEntropyLoss', loss_weight=mu)``: the foreground image tells
            the class (one pass more). The classification expert's.
        loss_difference: ``dict(type='wsol_mm.DifferenceLoss', loss_weight=beta)``: so does
            foreground minus background (two passes more). The localization expert's.
        loss_area: ``dict(type='wsol_mm.AreaLoss', loss_weight=eta)`` of the combined map.
        threshold: Share of the map's maximum above which is foreground. The code released for
            localization experts on VGG-16 has 0, where the foreground is the whole image.
        masks: Foreground is what the ``own`` map finds, or ``true_boxes``: an UPPER BOUND, no
            method, of what a perfect mask would give; it takes training data with
            ``supervision='boxes'``.
        masked_batch_norm: What normalises masked images. ``running`` (default): the running
            statistics, as at test, so that what is left of an image cannot depend on the batch.
            The others normalise by batches: ``joint`` by that of all images and their masked
            copies (one image pass more); ``clean`` each masked pass by its own; ``separate`` too,
            and lets it into the running statistics (released code). By its own statistics a
            nearly empty background is whitened again, and its residue grows as strong as an object.
        **kwargs: Of :class:`wsol_mm.WSOLClassifier`, without ``erasing``; the head must be a
            :class:`wsol_mm.CausalCAMHead`.

    Raises:
        ValueError: A threshold outside [0, 1), an unknown choice, another head or ``erasing``.
    """

    def __init__(
        self,
        *,
        loss_fore: dict | None = None,
        loss_difference: dict | None = None,
        loss_area: dict | None = None,
        threshold: float = 0.15,
        masks: Masks = "own",
        masked_batch_norm: MaskedBatchNorm = "running",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(self.head, CausalCAMHead):
            raise ValueError(
                f"CausalExpert: model.head is a {type(self.head).__name__}, expected a "
                "wsol_mm.CausalCAMHead (with a wsol_mm.ZeroContextPool the pool is taken away)"
            )
        if self.erasing is not None:
            raise ValueError("CausalExpert makes no erased branch: remove model.erasing")
        if not 0 <= threshold < 1:
            raise ValueError(f"threshold={threshold}: expected a share in [0, 1)")
        if masks not in get_args(Masks):
            raise ValueError(f"masks={masks!r}: one of {get_args(Masks)}")
        if masked_batch_norm not in get_args(MaskedBatchNorm):
            raise ValueError(
                f"masked_batch_norm={masked_batch_norm!r}: one of {get_args(MaskedBatchNorm)}"
            )
        self.loss_fore = loss_fore and MODELS.build(loss_fore)
        self.loss_difference = loss_difference and MODELS.build(loss_difference)
        self.loss_area = loss_area and MODELS.build(loss_area)
        self.threshold = threshold
        self.masks = masks
        self.masked_batch_norm = masked_batch_norm

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """CI-CAM's losses, and those of ``loss_fore``, ``loss_difference``, ``loss_area`` in use.

        Logged only: ``foreground_share``, of the pixels that the own map keeps, also where no loss
        has need of its mask, and with ``true_boxes`` the ``box_share``, of those in true boxes.
        """
        feats = self.extract_feat(inputs)
        labels = target_labels(data_samples, inputs.device)
        branches = self.head.branches(feats, labels)
        losses = self.head.branch_losses(branches, data_samples)
        fore_loss, difference_loss, area_loss = map(
            _in_use, (self.loss_fore, self.loss_difference, self.loss_area)
        )
        maps = self.head.combined_maps(branches.enhanced, branches.enhanced_scores)[:, 0]
        keep = foreground_masks(maps, inputs.shape[2:], self.threshold)
        losses["foreground_share"] = keep.mean()
        if fore_loss or difference_loss:
            if self.masks == "true_boxes":
                keep = true_box_masks(data_samples, inputs.shape[2:]).to(inputs)
                losses["box_share"] = keep.mean()
            masked = [inputs * keep, inputs * (1 - keep)] if difference_loss else [inputs * keep]
            fore, *back = self.masked_scores(inputs, masked)
            target = _targets(data_samples, inputs.device)
            if fore_loss:
                losses["loss_fore"] = fore_loss(fore, target)
            if difference_loss:
                losses["loss_difference"] = difference_loss(
                    branches.enhanced_scores, fore, *back, target
                )
        if area_loss:
            losses["loss_area"] = area_loss(maps)
        return losses

    def masked_scores(self, inputs: Tensor, masked: list[Tensor]) -> list[Tensor]:
        """First-branch logits of masked images, normalised as ``masked_batch_norm`` says.

        Args:
            inputs: The images (B, 3, H, W), which only ``joint`` reads.
            masked: Their masked copies, of the same shape each.

        Returns:
            Logits (B, K) for each of them.
        """
        norms = training_norms(self)
        if self.masked_batch_norm == "joint":
            with untracked(norms):
                scores = self._first_scores(torch.cat([inputs, *masked]))
            return list(scores.split(len(inputs)))[1:]
        if self.masked_batch_norm == "running":
            with by_running_statistics(norms):
                return [self._first_scores(images) for images in masked]
        with untracked(norms if self.masked_batch_norm == "clean" else []):
            return [self._first_scores(images) for images in masked]

    def _first_scores(self, images: Tensor) -> Tensor:
        return self.head.first_branch(self.extract_feat(images))[1]


def _in_use(loss: nn.Module | None) -> nn.Module | None:
    return loss if loss is not None and getattr(loss, "loss_weight", 1.0) else None


def _targets(data_samples: list[DataSample], device: torch.device) -> Tensor:
    """int64 (B,) classes; (B, K) shares where images are mixed, as MMPretrain's heads take them."""
    if "gt_score" in data_samples[0]:
        return torch.stack([sample.gt_score for sample in data_samples]).to(device)
    return torch.cat([sample.gt_label for sample in data_samples]).to(device)
