"""The causal family where context and class co-occur never, sometimes and nearly always."""

from dataclasses import replace

from studies.effects.effect import Effect
from studies.toy.causal import RHOS, guidance_trials, toy_trial

PAPER = "Shao et al., KG-CI-CAM"
# Classification and localization side by side; the first one is what a row claims.
CLASSIFICATION = ("top1_cls", "top1_loc", "gt_known", "max_box_acc_v2")
LOCALIZATION = ("gt_known", "max_box_acc_v2", "top1_loc", "top1_cls")


def causal(rho: str) -> tuple[Effect, ...]:
    """Rows of NL-CCAM, CI-CAM and its controls."""
    cam, nl_ccam = toy_trial("cam/resnet18_toy", rho), toy_trial("nl_ccam/resnet18_toy", rho)
    ci_cam = toy_trial("ci_cam/resnet18_toy", rho)
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
            Effect(name, claim, toy_trial(f"ci_cam/resnet18_toy_{name}", rho), ci_cam, control=True)
            for name, claim in controls.items()
        ),
    )


def guidance(rho: str) -> tuple[Effect, ...]:
    """Rows of KG-CI-CAM: the experts against CI-CAM, the students against an unguided one."""
    trials = guidance_trials(rho)
    ci_cam, unguided = trials["CI-CAM"], trials["unguided"]
    return (
        Effect(
            "cls expert",
            f"classifying the foreground makes a better classifier than CI-CAM ({PAPER}, "
            "Figure 6a)",
            ci_cam,
            trials["classification expert"],
            CLASSIFICATION,
        ),
        Effect(
            "loc expert",
            f"foreground minus background makes a better localizer than CI-CAM ({PAPER}, "
            "Figures 6b and 6c)",
            ci_cam,
            trials["localization expert"],
            LOCALIZATION,
        ),
        Effect(
            "+ cls expert",
            f"a student guided by the classification expert classifies better ({PAPER}, Table VI)",
            unguided,
            trials["+ cls expert"],
            CLASSIFICATION,
        ),
        Effect(
            "+ loc expert",
            "one guided by the localization expert localizes better",
            unguided,
            trials["+ loc expert"],
            LOCALIZATION,
        ),
        Effect(
            "both, localization",
            "one guided by both localizes better than one guided by the classification expert",
            trials["+ cls expert"],
            trials["both experts"],
            LOCALIZATION,
        ),
        Effect(
            "both, classification",
            "and classifies better than one guided by the localization expert",
            trials["+ loc expert"],
            trials["both experts"],
            CLASSIFICATION,
        ),
        Effect(
            "both", "one guided by both does both", unguided, trials["both experts"], LOCALIZATION
        ),
        Effect(
            "unguided",
            "what guidance is measured against is not a worse CI-CAM",
            ci_cam,
            unguided,
            LOCALIZATION,
            control=True,
            notes="no loss of the first branch; as the student, Adam at learning rate 0.002",
        ),
    )


def masks() -> tuple[Effect, ...]:
    """What of the localization expert's difference loss moves its maps."""
    trials = guidance_trials("0.5")
    masked = trials["localization expert"]
    blank = replace(masked, options={**masked.options, "model.threshold": 0.0})
    own = replace(masked, options={**masked.options, "model.masked_batch_norm": "clean"})
    slow = replace(masked, options={**masked.options, "optim_wrapper.optimizer.lr": 0.01})
    return (
        Effect(
            "loc expert, a fifth of the rate",
            "shorter steps suffice for it to localize better than CI-CAM",
            trials["CI-CAM"],
            slow,
            LOCALIZATION,
            control=True,
            notes="learning rate 0.01 against CI-CAM's 0.05, the rate of all other experts",
        ),
        Effect(
            "loc expert, blank background",
            "whole image minus nothing, the released VGG16 code's threshold of 0, does no harm",
            trials["CI-CAM"],
            blank,
            LOCALIZATION,
            control=True,
        ),
        Effect(
            "loc expert, real masks",
            f"foreground minus background is better than whole image minus nothing ({PAPER}, "
            "section III-C)",
            blank,
            masked,
            LOCALIZATION,
        ),
        Effect(
            "loc expert, own statistics",
            "running statistics in masked passes localize better than those of each masked batch",
            own,
            masked,
            LOCALIZATION,
            control=True,
            notes="a nearly empty background is whitened again by its own statistics",
        ),
    )


GROUPS: dict[str, tuple[Effect, ...]] = {
    **{f"causal_rho{rho}": causal(rho) for rho in RHOS},
    **{f"kg_rho{rho}": guidance(rho) for rho in RHOS},
    "kg_masks": masks(),
}
