"""SD-CAM: TokenCut's map with the side of the object chosen by a distilled class map."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from wsol_mm.functional.cam import class_activation_maps
from wsol_mm.functional.sd_cam import distillation_divergence, orientations
from wsol_mm.functional.tokens import patch_map
from wsol_mm.models.heads.cam_head import set_maps, wanted_labels
from wsol_mm.models.heads.token_cut_head import TokenCutHead
from wsol_mm.registry import MODELS

OrientedMap = Literal["eigenvector", "cam"]
Sign = Literal["cam", "token"]


@MODELS.register_module()
class SDCAMHead(TokenCutHead):
    """LCAR's classification branch and coarse map, Pan et al., AAAI 2023.

    A teacher (MLP head) classifies class token and mean patch token; its class is the image's. A
    student (CAM head) classifies the mean patch token alone, learns from labels and teacher, and
    thereby gets class maps. Where a class's map is high decides which side of TokenCut's
    eigenvector is the object. Features as for :class:`TokenCutHead`.

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
        map_kind: What is localized from: the ``eigenvector``, or the class map itself (``cam``).
        num_maps: Predicted classes for which :meth:`predict` writes a map.
        **kwargs: Of :class:`TokenCutHead`: ``tau``, ``eps``, ``mask_size`` (pixels per token, at
            which seed and eigenvector are compared), ``extra_tokens``, ``loss``, ``topk``,
            ``cal_acc``, ``init_cfg``.

    Raises:
        ValueError: An unknown ``sign`` or ``map_kind``, or a number out of range.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        hidden_channels: int = 0,
        alpha: float = 0.3,
        temperature: float = 3.0,
        seed_threshold: float = 0.6,
        sign: Sign = "cam",
        map_kind: OrientedMap = "eigenvector",
        num_maps: int = 5,
        **kwargs,
    ) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        for key, value, known in (
            ("sign", sign, get_args(Sign)),
            ("map_kind", map_kind, get_args(OrientedMap)),
        ):
            if value not in known:
                raise ValueError(f"{key} must be one of {known}, got {value!r}")
        if not 0 <= alpha <= 1 or not temperature > 0 or not 0 <= seed_threshold < 1:
            raise ValueError(
                "SDCAMHead: expected alpha in [0, 1], temperature > 0 and seed_threshold in "
                f"[0, 1), got {alpha}, {temperature} and {seed_threshold}"
            )
        if num_maps < 1:
            raise ValueError(f"num_maps must be positive, got {num_maps}")
        self.alpha = alpha
        self.temperature = temperature
        self.seed_threshold = seed_threshold
        self.sign = sign
        self.map_kind = map_kind
        self.num_maps = min(num_maps, num_classes)
        width = 2 * in_channels
        self.block = nn.Identity()
        if hidden_channels:
            self.block = nn.Sequential(
                nn.Linear(width, hidden_channels), nn.GELU(), nn.Linear(hidden_channels, width)
            )
        self.student = nn.Linear(in_channels, num_classes)

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Logits (B, K) of the teacher."""
        return self.fc(self.block(self.pre_logits(feats)))

    def loss(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample], **kwargs
    ) -> dict[str, Tensor]:
        """``loss`` of the teacher, ``loss_student`` and, where alpha < 1, ``loss_distill``."""
        pooled = self.pre_logits(feats)
        teacher = self.fc(self.block(pooled))
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
        patches = patch_map(feats[1] if len(feats) > 1 else feats[0], self.grid(feats)).float()
        with torch.autocast(patches.device.type, enabled=False):
            return class_activation_maps(patches, self.student.weight.float(), labels)

    def oriented_maps(self, feats: tuple[Tensor, ...], class_maps: Tensor) -> Tensor:
        """The eigenvector for each class map (B, k, h, w), high on the object, of the same shape.

        Both are brought to pixels before they are compared.
        """
        cut = self.localization_maps(feats)
        pixels = [
            F.interpolate(maps, scale_factor=self.mask_size, mode="bilinear", align_corners=False)
            for maps in (cut, class_maps)
        ]
        return cut * orientations(*pixels, self.seed_threshold)[:, :, None, None]

    def predict(
        self, feats: tuple[Tensor, ...], data_samples: list[DataSample | None] | None = None
    ) -> list[DataSample]:
        """The teacher's scores and label, ``map_labels`` and ``pred_maps`` (k, h, w).

        As ``CAMHead.predict`` in the classes that get a map. The paper chooses the side behind the
        affinity refinement: ``seed_map`` (h, w), the class map of the first label, lets
        ``wsol_mm.SeedSign`` do so; without refiners the choice made here stays. With
        ``sign='token'`` the one eigenvector serves every class, as ``TokenCutHead.predict`` has it.
        """
        if self.map_kind == "eigenvector" and self.sign == "token":
            return super().predict(feats, data_samples)
        logits = self(feats).float()
        samples = self._get_predictions(logits, data_samples)
        labels = wanted_labels(logits, samples, self.num_maps)
        class_maps = self.class_maps(feats, labels)
        if self.map_kind == "cam":
            set_maps(samples, labels, class_maps)
            return samples
        set_maps(samples, labels, self.oriented_maps(feats, class_maps))
        for sample, seeds in zip(samples, class_maps, strict=True):
            sample.set_data({"seed_map": seeds[0]})
        return samples
