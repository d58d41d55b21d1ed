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
        backbone=dict(
            type="ResNet",
            depth=18,
            stem_channels=8,
            base_channels=8,
            num_stages=2,
            strides=(1, 2),
            dilations=(1, 1),
            out_indices=(1,),
        ),
        head=dict(_CAM, in_channels=16),
    ),
    "VGG": dict(
        backbone=dict(type="wsol_mm.VGGGAP", out_channels=8), head=dict(_CAM, in_channels=8)
    ),
    "Inception V3": dict(
        backbone=dict(type="wsol_mm.InceptionV3Maps", layout="dense"),
        head=dict(_CAM, in_channels=768),
    ),
    "DenseNet": dict(
        backbone=dict(type="DenseNet", arch=dict(growth_rate=8, depths=[2, 1], init_channels=16)),
        head=dict(_CAM, in_channels=24),
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
    "ResNet": ("layer1.1", "layer2.1"),
    "VGG": [f"features.{number}" for number in (1, 4, 7, 8, 11, 12, 14, 15, 16)],
    "Inception V3": [
        *("Conv2d_2a_3x3", "Mixed_5c.branch3x3dbl_3", "Mixed_5d"),
        *("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e.branch7x7dbl_3", "Mixed_6e.branch7x7dbl_4"),
    ],
    "EfficientNet": ("layers.3", "layers.4", "layers.5", "layers.6"),
    "Lite0 of timm": [
        "timm_model.blocks.3",
        *(f"timm_model.blocks.{stage}.1" for stage in (1, 5)),
        *(f"timm_model.blocks.5.{block}" for block in (2, 3)),
    ],
}
# The same, where widths change: name -> channels in and out, stride.
_SHORT_CUTS = {
    "Inception V3": {"Mixed_5b": (192, 256, 1)},
    "Lite0 of timm": {"timm_model.blocks.2": (24, 80, 4), "timm_model.blocks.4": (80, 112, 1)},
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
    for short, (before, after, stride) in _SHORT_CUTS.get(name, {}).items():
        model.backbone.set_submodule(short, nn.Conv2d(before, after, 1, stride))
    return HeadGraph(model).eval()


class SideBySide(nn.Module):
    """Graphs of the same images and labels in one, as each export has a second of its own.

    Args:
        graphs: Name -> a graph of scores, classes and maps.
    """

    def __init__(self, graphs: dict[str, nn.Module]) -> None:
        super().__init__()
        self.graphs = nn.ModuleList(graphs.values())
        self.outputs = [
            f"{kind} of {name}" for name in graphs for kind in ("scores", "classes", "maps")
        ]

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """What :attr:`outputs` names."""
        return tuple(output for graph in self.graphs for output in graph(images, labels))


class OneHead(nn.Module):
    """What :class:`HeadGraph` needs of a classifier, around a head, behind a map that heads share.

    Args:
        head: The head.
        layout: ``plain`` for a map, ``tokens`` for tapped tokens, ``layers`` for two layers' qkv.
        qkv, class_token: The shared layers.
    """

    def __init__(
        self, head: nn.Module, layout: str, qkv: nn.ModuleList, class_token: nn.Parameter
    ) -> None:
        super().__init__()
        self.data_preprocessor = ClsDataPreprocessor(**_PROCESSOR)
        self.head, self.layout = head, layout
        self.qkv, self.class_token = qkv, class_token

    def extract_feat(self, score_map: Tensor) -> tuple[Tensor, ...]:
        """The map, with tapped tokens where the layout has them."""
        if self.layout == "plain":
            return (score_map,)
        patches = score_map.flatten(2).mT
        tokens = torch.cat([self.class_token.expand(patches.shape[0], -1, -1), patches], dim=1)
        qkv = tuple(layer(tokens) for layer in self.qkv)
        taps = {"qkv": qkv if self.layout == "layers" else qkv[0], "tokens": tokens}
        return TappedFeatures((score_map,), taps)


class EveryHead(SideBySide):
    """Heads side by side on one map, so that one file tells of all of them.

    Args:
        cases: Name -> what ``tests/models/heads/head_cases.py`` keeps of a head.
    """

    def __init__(self, cases: dict[str, Any]) -> None:
        torch.manual_seed(0)
        heads = [case.build() for case in cases.values()]
        width = heads[0].in_channels
        qkv = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(2))
        token = nn.Parameter(torch.rand(1, 1, width))
        graphs = {
            name: HeadGraph(OneHead(head, case.features.__name__, qkv, token))
            for head, (name, case) in zip(heads, cases.items(), strict=True)
        }
        super().__init__(graphs)
        self.features = nn.Sequential(self.graphs[0].pixels, nn.Conv2d(3, width, 8, 8))
        for graph in self.graphs:
            graph.pixels = nn.Identity()

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Scores, classes and maps of each head."""
        return super().forward(self.features(images), labels)
