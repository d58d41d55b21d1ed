"""CI-CAM's test in two passes: one view of the image ranks the classes, another gives the maps."""

from typing import Any

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from wsol_mm.models.classifiers.wsol_classifier import WSOLClassifier
from wsol_mm.models.heads.combinational_cam_head import CombinationalCAMHead
from wsol_mm.models.heads.localizer_head import set_maps, wanted_labels
from wsol_mm.registry import MODELS


@MODELS.register_module()
class TwoPassClassifier(WSOLClassifier):
    """``wsol_mm.WSOLClassifier`` that at test ranks classes on a view of its own.

    Where data samples carry a ``ranking_view`` (:class:`wsol_mm.RankingView`), it goes through the
    network first. Its scores are the prediction, and by their ranks the maps of the other view, the
    input, are combined. A context pool is read for the class that the input itself predicts, as in
    the code released with CI-CAM (Shao et al., ACM MM 2021). Such samples say
    ``ranking='second_view'``, which the evaluation's protocol must say, too.

    Without that view, as in validation, and in training it is the parent; checkpoints fit both
    ways.

    Args:
        **kwargs: Of :class:`wsol_mm.WSOLClassifier`; the head must be a
            :class:`wsol_mm.CombinationalCAMHead` or a subclass.

    Raises:
        ValueError: Another head, which ranks nothing.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(self.head, CombinationalCAMHead):
            raise ValueError(
                f"TwoPassClassifier: model.head is a {type(self.head).__name__}, expected a "
                "wsol_mm.CombinationalCAMHead or wsol_mm.CausalCAMHead, which combine by rank"
            )

    def predict(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None, **kwargs: Any
    ) -> list[DataSample]:
        """As of the head; scores and ranks are those of ``ranking_view``, which is taken away."""
        if not data_samples or "ranking_view" not in data_samples[0]:
            return super().predict(inputs, data_samples, **kwargs)
        views = torch.stack([sample.pop("ranking_view") for sample in data_samples])
        views = self.data_preprocessor({"inputs": views})["inputs"]
        scores = self.head(self.extract_feat(views)).float()
        samples = self.head._get_predictions(scores, data_samples)
        labels = wanted_labels(scores, samples, self.head.num_maps)
        maps = self.head.combined_maps(
            self.head.pre_logits(self.extract_feat(inputs)),
            scores,
            labels if self.head.ranks == "label" else None,
        )
        set_maps(samples, labels, maps.expand(-1, labels.shape[1], -1, -1))
        for sample in samples:
            sample.set_field("second_view", "ranking")
        return samples
