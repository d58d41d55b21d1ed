"""LCAR's refiners behind a plain CAM: one training, refined at the test."""

from dataclasses import replace
from typing import Any

from studies.effects.effect import Effect
from studies.harness.trial import Trial
from studies.toy.methods import METHODS

GT = ("gt_known_iou70", "gt_known", "gt_known_iou80", "gt_known_iou90", "top1_cls")
IOUS = {f"{split}_evaluator.iou_thrs": (0.5, 0.7, 0.8, 0.9) for split in ("val", "test")}
ARM = {"type": "wsol_mm.ARM"}
SGRM = {"type": "wsol_mm.SGRM"}
PAPER = "Pan et al., AAAI 2023"
FIXED = "masks of 0 and 1 have no threshold to choose: 0.5; CAM's and ARM's is from val"


def refined(*refiners: dict[str, Any]) -> Trial:
    """CAM with refiners at the test."""
    options: dict[str, Any] = dict(IOUS)
    if refiners:
        options |= {"model.type": "wsol_mm.WSOLClassifier", "model.refiners": list(refiners)}
    if refiners and refiners[-1]["type"] == "wsol_mm.SGRM":
        options["test_evaluator.threshold"] = 0.5
    return replace(METHODS["CAM"], test_options=options)


CAM = refined()
GROUPS: dict[str, tuple[Effect, ...]] = {
    "lcar": (
        Effect(
            "CAM + ARM",
            f"colours of the image tighten the boxes ({PAPER}, Table 1)",
            CAM,
            refined(ARM),
            GT,
            notes="48 neighbours",
        ),
        Effect(
            "CAM + ARM, 8 neighbours",
            "so do eight neighbours, as the paper's text has it",
            CAM,
            refined({**ARM, "neighbours": 8}),
            GT,
        ),
        Effect(
            "CAM + ARM as printed",
            "eq. 7 and 8 without AFA's distances and scales move little",
            refined(ARM),
            refined({**ARM, "preset": "lcar"}),
            GT,
            notes="against ARM with AFA's settings",
        ),
        Effect(
            "CAM + SGRM",
            f"a network trained on the image redraws the mask ({PAPER}, Table 1)",
            CAM,
            refined(SGRM),
            GT,
            notes=FIXED,
        ),
        Effect(
            "CAM + ARM + SGRM",
            f"both together are best ({PAPER}, Table 2)",
            CAM,
            refined(ARM, SGRM),
            GT,
            notes=FIXED,
        ),
        Effect(
            "SGRM, voted, stop per class",
            "the superpixels' vote (eq. 13) and a stop rule per class keep false pixels out",
            refined(ARM, SGRM),
            refined(ARM, {**SGRM, "mask": "vote", "stop": "per_class"}),
            GT,
            notes="behind ARM on both sides",
        ),
        Effect(
            "SGRM's thresholds relative to the map",
            "thresholds about each map's mean, and not at .1 and .6, lose less of the object",
            refined(ARM, SGRM),
            refined(ARM, {**SGRM, "pivot": "mean"}),
            GT,
            notes="behind ARM on both sides",
        ),
        Effect(
            "SGRM at half size",
            "training at half the side, which is ours, loses nothing",
            refined(ARM, SGRM),
            refined(ARM, {**SGRM, "train_scale": 0.5}),
            GT,
            notes="behind ARM on both sides; scenes have 96 px, so that it trains on 48",
        ),
    ),
}
