"""The causal family where context and class co-occur never, sometimes and nearly always."""

from wsol_mm.apis.effects import Effect
from wsol_mm.apis.experiments import Trial
from wsol_mm.apis.toy_methods import SHORT


def causal(rho: str) -> tuple[Effect, ...]:
    """Rows of the causal family where context and class co-occur with a probability."""
    dials = () if rho == "0.5" else ("--context-rho", rho)  # 0.5 is the scenes' own

    def trial(config: str) -> Trial:
        return Trial(f"configs/{config}.py", SHORT, dials=dials)

    cam, nl_ccam = trial("cam/resnet18_toy"), trial("nl_ccam/resnet18_toy")
    ci_cam = trial("ci_cam/resnet18_toy")
    controls = {
        "gaussian": "the pool does more than a fixed centred bump",
        "zero": "the pool does more than the projection's bias",
        "shuffled": "the context must be that of the predicted class",
        "averaged": "one class's context does more than the mean of all",
        "one_branch": "the second branch does more than twice the loss",
    }
    return (
        Effect("NL-CCAM", "combined maps show more than the top one's (Yang et al.)", cam, nl_ccam),
        Effect("CI-CAM", "the pool disentangles context (Shao et al., ACM MM 2021)", cam, ci_cam),
        *(
            Effect(name, claim, trial(f"ci_cam/resnet18_toy_{name}"), ci_cam, control=True)
            for name, claim in controls.items()
        ),
    )


GROUPS: dict[str, tuple[Effect, ...]] = {
    f"causal_rho{rho}": causal(rho) for rho in ("0", "0.5", "0.95")
}
