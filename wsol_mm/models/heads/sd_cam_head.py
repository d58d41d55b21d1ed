"""SD-CAM: TokenCut's map with the side of the object chosen by a distilled class map."""

from typing import Any, ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.cam import class_activation_maps
from wsol_mm.functional.sd_cam import distillation_divergence, orientations
from wsol_mm.models.heads.token_cut_head import TokenCutHead
from wsol_mm.models.precision import full_precision
from wsol_mm.registry import MODELS

Sign = Literal["cam", "token"]


@MODELS.register_module()
class SDCAMHead(TokenCutHead):
    """LCAR's classification branch and coarse map, Pan et al., AAAI 2023.

    A teacher (MLP head) classifies class token and mean patch token; its class is the image's. A
    student (CAM head) classifies the mean patch token alone, learns from labels and teacher, and
    thereby gets class maps. Where a class's map is high decides which side of TokenCut's
    eigenvector is the object. Features as for :class:`TokenCutHead`, and as there a convolutional
    network's own classifier can be loaded; it is teacher and student then.

    Args:
        num_classes: Classes K.
        in_channels: Channels of a token.
        hidden_channels: Width inside the teacher's MLP block; 0 for a linear teacher. The paper has
            a block on CUB and none on ILSVRC, and leaves its inside open.
        alpha: Share of the labels in the student's loss, the teacher has the rest; 1 for a plain
            CAM without self-distillation.
        temperature: T of the distillation.
        seed_threshold: Cut of the class map (``beta``), of its range.
        sign: What tells the object's side: ``cam``, or ``token``, the token of largest magnitude,
            as in TokenCut (the paper's ablation without SD-CAM).
        **kwargs: Of :class:`TokenCutHead`; ``map_kind`` is the ``eigenvector`` or the class map
            itself (``cam``), ``mask_size`` the pixels per token at which seed and eigenvector are
            compared.

    Raises:
        ValueError: An unknown ``sign``, or a number out of range.
    """

    map_kinds: ClassVar[tuple[str, ...]] = ("eigenvector", "cam")

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        hidden_channels: int = 0,
        alpha: float = 0.3,
        temperature: float = 3.0,
        seed_threshold: float = 0.6,
        sign: Sign = "cam",
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        if sign not in get_args(Sign):
            raise ValueError(f"sign must be one of {get_args(Sign)}, got {sign!r}")
        if not 0 <= alpha <= 1 or not temperature > 0 or not 0 <= seed_threshold < 1:
            raise ValueError(
                "SDCAMHead: expected alpha in [0, 1], temperature > 0 and seed_threshold in "
                f"[0, 1), got {alpha}, {temperature} and {seed_threshold}"
            )
        self.alpha = alpha
        self.temperature = temperature
        self.seed_threshold = seed_threshold
        self.sign = sign
        width = 2 * in_channels
        self.block = nn.Identity()
        if hidden_channels:
            self.block = nn.Sequential(
                nn.Linear(width, hidden_channels), nn.GELU(), nn.Linear(hidden_channels, width)
            )
        self.student = nn.Linear(in_channels, num_classes)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        """Take a network's own classifier of the mean as teacher and as student."""
        weight = state_dict.get(f"{prefix}fc.weight")
        if weight is not None and weight.shape == self.student.weight.shape:
            for name in ("weight", "bias"):
                own = state_dict[f"{prefix}fc.{name}"]
                state_dict.setdefault(f"{prefix}student.{name}", own)
        super()._load_from_state_dict(state_dict, prefix, *args)

    @property
    def class_agnostic(self) -> bool:
        """Whether the token chooses the side, not a class."""
        return self.map_kind == "eigenvector" and self.sign == "token"

    def class_scores(self, features: Tensor) -> Tensor:
        """Logits (B, K) of the teacher."""
        return self.fc(self.block(features))

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample], **kwargs: Any
    ) -> dict[str, Tensor]:
        """``loss`` of the teacher, ``loss_student`` and, where alpha < 1, ``loss_distill``."""
        pooled = self.pre_logits(feats)
        teacher = self.class_scores(pooled)
        # Averaging over the patches before the 1x1 convolution or after it is the same.
        student = self.student(pooled[:, pooled.shape[1] // 2 :])
        losses = self._get_loss(teacher, data_samples, **kwargs)
        labels = self._get_loss(student, data_samples, **kwargs)["loss"]
        losses["loss_student"] = self.alpha * labels
        if self.alpha < 1:
            divergence = distillation_divergence(student, teacher, self.temperature)
            losses["loss_distill"] = (1 - self.alpha) * divergence
        return losses

    def class_maps(self, feats: tuple[Tensor, ...], labels: Tensor) -> Tensor:
        """The student's raw maps of the wanted classes (B, k), float32 (B, k, h, w)."""
        patches = self.patches(feats).float()
        with full_precision(patches):
            return class_activation_maps(patches, self.student.weight.float(), labels)

    def oriented_maps(self, feats: tuple[Tensor, ...], class_maps: Tensor) -> Tensor:
        """The eigenvector for each class map (B, k, h, w), high on the object, of the same shape.

        Both are brought to pixels before they are compared.
        """
        cut = self.cut_maps(feats)
        pixels = [
            F.interpolate(maps, scale_factor=self.mask_size, mode="bilinear", align_corners=False)
            for maps in (cut, class_maps)
        ]
        return cut * orientations(*pixels, self.seed_threshold)[:, :, None, None]

    def draw_maps(self, feats: tuple[Tensor, ...], features: Tensor, labels: Tensor) -> Tensor:
        """The eigenvector, turned by each label's class map; or that map, by ``map_kind``."""
        if self.class_agnostic:
            return super().draw_maps(feats, features, labels)
        class_maps = self.class_maps(feats, labels)
        return class_maps if self.map_kind == "cam" else self.oriented_maps(feats, class_maps)

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """As of the parent, with the teacher's scores.

        The paper chooses the side behind the affinity refinement: ``seed_map`` (h, w), the class
        map of the first label, lets ``wsol_mm.SeedSign`` do so; without refiners the choice made
        here stays. With ``sign='token'`` the one eigenvector serves every class.
        """
        samples = super().predict(feats, data_samples)
        if self.map_kind == "eigenvector" and not self.class_agnostic:
            labels = torch.stack([sample.map_labels[:1] for sample in samples])
            for sample, seeds in zip(samples, self.class_maps(feats, labels), strict=True):
                sample.set_data({"seed_map": seeds[0]})
        return samples
