"""BridgeGap's ablation: its three losses, and the three maps of one network."""

from dataclasses import replace
from typing import Any

from studies.effects.effect import Effect
from studies.harness.trial import Trial
from studies.toy.methods import METHODS

NO_DROP = {"model.erasing.loss_weight": 0}
NO_SIM = {"model.head.loss_sim.loss_weight": 0}
NO_NORM = {"model.head.loss_norm.loss_weight": 0}
CAM, BRIDGEGAP = METHODS["CAM"], METHODS["BridgeGap"]
PAPER = "Kim et al., CVPR 2022"
ALIGNED = "aligned features make the {} map alone localize about as well as the CAM"


def without(*terms: dict[str, Any]) -> Trial:
    """BridgeGap with some terms at weight 0, so that they are not computed."""
    options = dict(BRIDGEGAP.options)
    for term in terms:
        options |= term
    return replace(BRIDGEGAP, options=options)


# Section 5.3: the norm map is normalised by min-max, the similarity map by its maximum.
NORMALIZATION = {"norm": "minmax", "similarity": "max"}


def shown_by(trial: Trial, kind: str) -> Trial:
    """The same network localized from another map."""
    chosen = NORMALIZATION[kind]
    evaluators = {f"{split}_evaluator.normalization": chosen for split in ("val", "test")}
    return replace(trial, test_options={"model.head.map_kind": kind, **evaluators})


GROUPS: dict[str, tuple[Effect, ...]] = {
    "bridgegap": (
        Effect(
            "drop",
            f"attentive dropout with consistency alone helps (+14.3 GT Loc; {PAPER}, Table 7)",
            CAM,
            without(NO_SIM, NO_NORM),
        ),
        Effect("sim", "the similarity loss alone helps (+15.4)", CAM, without(NO_DROP, NO_NORM)),
        Effect("sim+norm", "and more with the norm loss (+21.2)", CAM, without(NO_DROP)),
        Effect("drop+sim", "dropout and similarity loss add up (+24.6)", CAM, without(NO_NORM)),
        Effect("all", "all three are best (+32.4)", CAM, BRIDGEGAP),
        Effect(
            "norm map",
            ALIGNED.format("norm") + " (-1.2)",
            BRIDGEGAP,
            shown_by(BRIDGEGAP, "norm"),
            notes="one network, two maps",
        ),
        Effect(
            "similarity map",
            ALIGNED.format("similarity") + " (-0.0)",
            BRIDGEGAP,
            shown_by(BRIDGEGAP, "similarity"),
            notes="one network, two maps; negative similarity counts as background",
        ),
        Effect(
            "CAM's norm map",
            "without alignment the norm map differs more from the CAM",
            CAM,
            shown_by(CAM, "norm"),
            control=True,
        ),
        Effect(
            "CAM's similarity map",
            "without alignment the similarity map differs more from the CAM",
            CAM,
            shown_by(CAM, "similarity"),
            control=True,
        ),
    ),
}
