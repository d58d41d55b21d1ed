"""Rows of studies.birds: each `_cub` config whose chain is shown on real birds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studies.harness.trial import PseudoBoxes, Trial, resolved_config
from wsol_mm.apis.command import strip_pretrained

LOADERS = ("train", "val", "test")
BATCH = 4
COMMON = {
    **{f"{loader}_dataloader.batch_size": BATCH for loader in LOADERS},
    **{f"{loader}_dataloader.num_workers": 0 for loader in LOADERS},
    "default_hooks.logger.interval": 1,
    "log_processor": {"type": "LogProcessor", "window_size": 1, "by_epoch": True},
    "train_cfg.val_interval": 1,
}


@dataclass(frozen=True)
class Bird:
    """A training, killed and resumed, and its test.

    Attributes:
        name: In the table; its slug names the result's file.
        config: Below ``configs``, without ``.py``.
        epochs: Of the training.
        inputs: Rows that give something to this one: ``boxes``, or the experts of a student.
        options: Config keys to override beyond paths, batch, workers, logging and epochs.
        threshold: Of this row's own pseudo boxes.
        notes: What to know of the row; why it has options.
    """

    name: str
    config: str
    epochs: int = 2
    inputs: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    threshold: str = "val"
    notes: str = ""


# What an input is for.
KEYS = {
    "boxes": "train_dataloader.dataset.pseudo_boxes",
    "cls_expert": "model.cls_teacher.checkpoint",
    "loc_expert": "model.loc_teacher.checkpoint",
}
CLS_EXPERT = "KG-CI-CAM VGG16, classification expert"
LOC_EXPERT = "KG-CI-CAM VGG16, localization expert"
CAM, C2AM, DDT = "CAM ResNet-50", "C2AM ResNet-50", "DDT VGG16"
MAKERS = (
    Bird(CAM, "cam/resnet50_cub", 3),
    Bird(
        C2AM,
        "c2am/resnet50_cub",
        3,
        notes="the loss holds the linear probe's, whose rate of .1 swings on random features",
    ),
    Bird(DDT, "ddt/vgg16_cub", 3, threshold="0"),  # DDT's own rule
)
FAMILIES: dict[str, tuple[Bird, ...]] = {
    "makers": MAKERS,
    "wend": (
        Bird("Faster R-CNN ResNet-50", "wend/faster_rcnn_r50_cub", 6, {"boxes": C2AM}),
        Bird("Faster R-CNN DenseNet-161", "wend/faster_rcnn_densenet161_cub", 3, {"boxes": C2AM}),
        Bird("FCOS ResNet-50", "wend/fcos_r50_cub", 6, {"boxes": CAM}),
        Bird("CLN ResNet-50", "wend/cln_r50_cub", 6, {"boxes": C2AM}),
        Bird("Deformable DETR ResNet-50", "wend/deformable_detr_r50_cub", 6, {"boxes": C2AM}),
        Bird("SCR ResNet-50", "psol/scr_r50_cub", 6, {"boxes": DDT}),
        Bird("SCR DenseNet-161", "psol/scr_densenet161_cub", 3, {"boxes": DDT}),
    ),
    "causal": (
        Bird("CI-CAM VGG16", "ci_cam/vgg16_cub"),
        Bird("CI-CAM InceptionV3", "ci_cam/inception_v3_cub"),
        Bird("CI-CAM ResNet-50", "ci_cam/resnet50_cub"),
        Bird(CLS_EXPERT, "kg_ci_cam/vgg16_cub_cls_expert"),
        Bird(LOC_EXPERT, "kg_ci_cam/vgg16_cub_loc_expert"),
        Bird(
            "KG-CI-CAM VGG16, student",
            "kg_ci_cam/vgg16_cub",
            inputs={"cls_expert": CLS_EXPERT, "loc_expert": LOC_EXPERT},
        ),
    ),
    "lcar": (
        Bird(
            "TokenCut ViT-S/16",
            "tokencut/vit_small_p16_cub",
            4,
            options={"param_scheduler": []},
            notes="without the 50 epochs of warm-up, in which a few steps move nothing",
        ),
        Bird("TS-CAM DeiT-S/16", "ts_cam/deit_small_p16_cub"),
        Bird(
            "SD-CAM ViT-S/16",
            "lcar/sd_cam_vit_small_p16_cub_cached",
            4,
            options={"train_dataloader.dataset.pipeline.0.tokens": "{data}_tokens"},
            notes="tokens cached beside the data",
        ),
    ),
}
ROWS = {bird.name: bird for birds in FAMILIES.values() for bird in birds}


def random_weights(config: str) -> dict[str, Any]:
    """Overrides in place of the pretrained weights of a config: nothing is downloaded."""
    model = resolved_config(Trial(config)).model.to_dict()
    # ViTs draw their own; the default of convolutions lets a network without norms fade away
    kaiming = [{"type": "Kaiming", "layer": "Conv2d"}]
    drawn = None if "VisionTransformer" in str(model["backbone"]["type"]) else kaiming
    keys = strip_pretrained(model)
    return {key: drawn if key.endswith("init_cfg") else None for key in keys}


def make_trial(bird: Bird, data_root: str) -> Trial:
    """The trial of a row; the rows that it needs are its inputs."""
    config = f"configs/{bird.config}.py"
    options = {**COMMON, **random_weights(config), "train_cfg.max_epochs": bird.epochs}
    inputs: dict[str, Trial | PseudoBoxes] = {}
    for name, row in bird.inputs.items():
        source = make_trial(ROWS[row], data_root)
        inputs[name] = PseudoBoxes(source, ROWS[row].threshold) if name == "boxes" else source
        options[KEYS[name]] = f"{{{name}}}"
    return Trial(config, {**options, **bird.options}, data_root=data_root, inputs=inputs)


def slug(name: str) -> str:
    """A name as the stem of a file.

    >>> slug("SCR ResNet-50")
    'scr_resnet_50'
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
