"""The causal family on toy scenes with the short schedule: what its studies share."""

from dataclasses import replace

from studies.guidance.stages import EXPERTS, expert, student, unguided
from studies.harness.trial import Trial
from studies.toy.methods import SHORT

RHOS = ("0", "0.5", "0.95")  # how often context and class co-occur
NETWORK = "resnet18_toy"


def toy_trial(config: str, rho: str) -> Trial:
    """A toy config of some folder where context and class co-occur with a probability."""
    return at_rho(Trial(f"configs/{config}.py", SHORT), rho)


def at_rho(trial: Trial, rho: str) -> Trial:
    """A trial on scenes where context and class co-occur with a probability."""
    return replace(trial, dials=() if rho == "0.5" else ("--context-rho", rho))  # .5: their own


def guidance_trials(rho: str) -> dict[str, Trial]:
    """CI-CAM, the experts that extend it, and students of none, one or both, by name.

    ``unguided`` is the KG paper's CI-CAM, whose first branch has no loss (its rho, another one, is
    0), trained as the student is.
    """
    experts = {kind: expert(NETWORK, kind, SHORT) for kind in EXPERTS}
    found = {
        "CI-CAM": Trial(f"configs/ci_cam/{NETWORK}.py", SHORT),
        **{EXPERTS[kind]: trial for kind, trial in experts.items()},
        "unguided": unguided(NETWORK, SHORT),
        "+ cls expert": student(NETWORK, {"cls": experts["cls"]}, SHORT),
        "+ loc expert": student(NETWORK, {"loc": experts["loc"]}, SHORT),
        "both experts": student(NETWORK, experts, SHORT),
    }
    return {name: at_rho(trial, rho) for name, trial in found.items()}
