"""Small localizers of every backbone family, and every head behind one little network."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.models.utils import ClsDataPreprocessor
from torch import Tensor, nn

import wsol_mm.models  # noqa: F401
from wsol_mm.apis.export_graphs import HeadGraph
from wsol_mm.models.heads import TappedFeatures

SIZE = 64
_PROCESSOR = dict(mean=[123.0, 116.0, 103.0], std=[58.0, 57.0, 57.0], to_rgb=True)
_CAM = dict(type="wsol_mm.CAMHead", num_classes=5)
FAMILIES: dict[str, dict[str, Any]] = {
    "ResNet": dict(
        backbone=dict(type="ResNet", depth=18, stem_channels=8, base_channels=8),
        head=dict(_CAM, in_channels=64),
    ),
    "VGG": dict(
        backbone=dict(type="wsol_mm.VGGGAP", out_channels=8), head=dict(_CAM, in_channels=8)
    ),
    "Inception V3": dict(
        backbone=dict(type="wsol_mm.InceptionV3Maps", layout="dense"),
        head=dict(_CAM, in_channels=768),
    ),
    "DenseNet": dict(
        backbone=dict(
            type="DenseNet", arch=dict(growth_rate=8, depths=[2, 2, 2, 2], init_channels=16)
        ),
        head=dict(_CAM, in_channels=32),
    ),
    "EfficientNet": dict(
        backbone=dict(type="EfficientNet", arch="b0", out_indices=(2,)),
        head=dict(_CAM, in_channels=24),
    ),
    "Lite0 of timm": dict(
        backbone=dict(type="TIMMBackbone", model_name="tf_efficientnet_lite0", output_stride=16),
        head=dict(_CAM, in_channels=1280),
    ),
    "DeiT": dict(
        backbone=dict(
            type="VisionTransformer",
            arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
            img_size=SIZE,
            patch_size=16,
            out_type="featmap",
        ),
        head=dict(type="wsol_mm.TSCAMHead", num_classes=5, in_channels=16, num_heads=2),
        taps=dict(qkv=[f"backbone.layers.{number}.attn.qkv" for number in range(2)]),
    ),
}
# Repetitions that tell nothing new of a family; exporting takes a tenth of a second a layer.
_LEFT_OUT: dict[str, Sequence[str]] = {
    "Inception V3": ("Mixed_5d", "Mixed_6b", "Mixed_6c", "Mixed_6d"),
    "EfficientNet": ("layers.3", "layers.4", "layers.5", "layers.6"),
    "Lite0 of timm": [
        f"timm_model.blocks.{stage}.{block}"
        for stage, count in enumerate((1, 2, 2, 3, 3, 4))
        for block in range(1, count)
    ],
}


def family(name: str) -> nn.Module:
    """The graph of a localizer with random weights."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(
            dict(
                type="wsol_mm.WSOLClassifier",
                data_preprocessor=dict(_PROCESSOR),
                **FAMILIES[name],
            )
        )
    for left_out in _LEFT_OUT.get(name, ()):
        model.backbone.set_submodule(left_out, nn.Identity())
    return HeadGraph(model).eval()


class OneHead(nn.Module):
    """What :class:`HeadGraph` needs of a classifier, around a head and layers that it shares.

    Args:
        head: The head.
        layout: ``plain`` for a map, ``tokens`` for tapped tokens, ``layers`` for two layers' qkv.
        features, qkv, class_token: The shared layers.
    """

    def __init__(
        self,
        head: nn.Module,
        layout: str,
        features: nn.Module,
        qkv: nn.ModuleList,
        class_token: nn.Parameter,
    ) -> None:
        super().__init__()
        self.data_preprocessor = ClsDataPreprocessor(**_PROCESSOR)
        self.head, self.layout = head, layout
        self.features, self.qkv, self.class_token = features, qkv, class_token

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """A map, with tapped tokens where the layout has them."""
        score_map = self.features(inputs)
        if self.layout == "plain":
            return (score_map,)
        patches = score_map.flatten(2).mT
        tokens = torch.cat([self.class_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        qkv = tuple(layer(tokens) for layer in self.qkv)
        taps = {"qkv": qkv if self.layout == "layers" else qkv[0], "tokens": tokens}
        return TappedFeatures((score_map,), taps)


class EveryHead(nn.Module):
    """Heads side by side, so that one file tells of all of them.

    Args:
        cases: Name -> what ``tests/models/heads/head_cases.py`` keeps of a head.
    """

    def __init__(self, cases: dict[str, Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        heads = [case.build() for case in cases.values()]
        width = heads[0].in_channels
        shared = (
            nn.Conv2d(3, width, 8, 8),
            nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(2)),
            nn.Parameter(torch.rand(1, 1, width)),
        )
        self.graphs = nn.ModuleList(
            HeadGraph(OneHead(head, case.features.__name__, *shared))
            for head, case in zip(heads, cases.values(), strict=True)
        )

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Scores, classes and maps of each head."""
        return tuple(output for graph in self.graphs for output in graph(images, labels))
