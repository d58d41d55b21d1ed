"""WEND: binary-class detectors against one regressed box, and what weighted entropy does.

All train on boxes that the scenes bring along, a share of which is wrong (``--box-noise``), so the
noise is known and no maker has to be trained.
"""

from dataclasses import replace
from typing import Any

from studies.effects.effect import Effect
from studies.harness.trial import Trial, resolved_config
from studies.toy.detectors import at_eta, at_fixed_rate, without_entropy
from studies.toy.methods import METHODS

PAPER = "Xu et al., ACM MM 2023"
DETECTOR_METRICS = (
    "gt_known",
    "multi_gt_known",
    "max_box_acc_v2",
    "multi_box_acc_v2",
    "mean_boxes",
)
SCR = "psol/scr"
LOSS = "model.loss_we"
FORMS = {
    "global_alpha": "one alpha on both sides (A)",
    "swapped_alpha": "alpha on the background side (B)",
    "focal_entropy": "a factor for each term, no thresholds (C)",
    "detached": "no gradient through the weight (D)",
}
NORMALIZERS = {
    "contributing": "divided by the samples outside the thresholds (E), all where tau1 = tau2",
    "positives": "divided by the positive samples (E)",
    "weights": "divided by the sum of the weights w(p) (E)",
}
# the paper's values on ILSVRC: the only regime in which the loss can overturn a label
ILSVRC = {"gamma": 4, "alpha": 0.25, "tau1": 0.1, "tau2": 0.1}


def detector(config: str, *dials: str) -> Trial:
    """A toy config that learns the scenes' own boxes."""
    options = {"train_dataloader.dataset.pseudo_boxes": "{data}/pseudo_boxes_train.json"}
    if config != SCR:  # validated every second epoch, as often as the classifiers of other rows
        options["train_cfg.val_interval"] = 2
    return Trial(f"configs/{config}_r18_toy.py", options, dials=dials)


def alone(trial: Trial) -> Trial:
    """A detector without entropy and eta; its rate makes up for eta, as in its config."""
    return at_eta(without_entropy(trial), 1.0)


def rate(trial: Trial) -> str:
    """What must be said where the other side has no eta."""
    cfg = resolved_config(trial)
    eta, lr = cfg.model.eta, cfg.optim_wrapper.optimizer.lr
    return (
        f"learning rate {lr:g} with eta {eta:g} and {eta * lr:g} without, so that the supervised "
        f"losses move the weights equally far; weight decay acts {1 / eta:g} times as much with eta"
    )


FASTER_RCNN = detector("wend/faster_rcnn")


def against_scr(scenes: str, *dials: str) -> tuple[Effect, ...]:
    """Detectors without entropy against SCR."""
    scr = detector(SCR, *dials)
    gains = {
        "wend/faster_rcnn": ("Faster R-CNN", "+1.2 GT-known on CUB, +1.1 on ILSVRC"),
        "wend/fcos": ("FCOS", "+1.8 and +1.1"),
    }
    rows = []
    for config, (name, gain) in gains.items():
        method = alone(detector(config, *dials))
        claim = f"a binary-class detector beats one regressed box ({gain}; {PAPER}, Table 2)"
        notes = f"{training(method)}, SCR {training(scr)}, crops, 3x3 cells and one box per image"
        title, seeds = f"{name}, {scenes}", (0, 1, 2, 3, 4)
        rows.append(Effect(title, claim, scr, method, DETECTOR_METRICS, seeds=seeds, notes=notes))
    return tuple(rows)


def training(trial: Trial) -> str:
    """Epochs and rate of a trial, for sides that train differently."""
    cfg = resolved_config(trial)
    optimizer = cfg.optim_wrapper.optimizer
    epochs = f"{cfg.train_cfg.max_epochs} epochs of {optimizer.type}"
    return f"{epochs} at learning rate {optimizer.lr:g}"


def at_noise(*dials: str) -> tuple[Effect, ...]:
    """The loss against none, against plain entropy, and each part of it by itself."""
    weighted = replace(FASTER_RCNN, dials=dials)
    plain = replace(weighted, options={**weighted.options, f"{LOSS}.form": "entropy"})
    none, same_eta = alone(weighted), without_entropy(weighted)
    values = {f"{LOSS}.{key}": value for key, value in ILSVRC.items()}
    overturning = at_eta(replace(weighted, options={**weighted.options, **values}), 0.03125)
    return (
        Effect(
            "WE",
            f"weighted entropy and eta help (+1.5 GT-known with DenseNet-161 on CUB; {PAPER}, "
            "Table 10)",
            none,
            weighted,
            DETECTOR_METRICS,
            notes=rate(weighted),
        ),
        Effect(
            "WE, not plain entropy",
            "and more than plain entropy (+0.6)",
            plain,
            weighted,
            DETECTOR_METRICS,
        ),
        Effect(  # below .28, eta leaves positives that plain entropy holds near p = 0: README
            "WE, not plain entropy at eta 1",
            "also where supervision is stronger than plain entropy",
            at_eta(plain, 1.0),
            weighted,
            DETECTOR_METRICS,
            control=True,
            notes=rate(weighted),
        ),
        Effect(
            "WE, eta on both sides",
            "the gain is the entropy's, not eta's",
            same_eta,
            weighted,
            DETECTOR_METRICS,
            control=True,
        ),
        Effect(
            "eta",
            "eta alone changes nothing where the rate makes up for it",
            none,
            same_eta,
            DETECTOR_METRICS,
            control=True,
            notes=rate(weighted),
        ),
        Effect(
            "eta at a fixed rate",
            "eta alone, as the paper changes it: supervised steps of an eighth",
            none,
            at_fixed_rate(none, 0.125),
            DETECTOR_METRICS,
            control=True,
            notes="one learning rate on both sides, no entropy on either",
        ),
        Effect(
            "WE with ILSVRC's values",
            "the values that can overturn a label help (+0.4 GT-known on ILSVRC; Table 10)",
            none,
            overturning,
            DETECTOR_METRICS,
            notes=rate(overturning),
        ),
        Effect(
            "plain entropy",
            "plain entropy and eta help (+0.9)",
            none,
            plain,
            DETECTOR_METRICS,
            notes=rate(weighted),
        ),
    )


def forms() -> tuple[Effect, ...]:
    """The reconstruction against what the paper's prose does not exclude."""
    readings = {("form", name): text for name, text in FORMS.items()}
    readings |= {("normalizer", name): text for name, text in NORMALIZERS.items()}
    return tuple(
        Effect(
            f"primary, not {name}",
            f"the reconstructed loss does better than another reading: {text}",
            replace(FASTER_RCNN, options={**FASTER_RCNN.options, f"{LOSS}.{key}": name}),
            FASTER_RCNN,
            DETECTOR_METRICS,
        )
        for (key, name), text in readings.items()
    )


def from_cam(trial: Trial, **backbone: Any) -> Trial:
    """The same detector on the backbone of a CAM of the same scenes."""
    start = {"type": "Pretrained", "checkpoint": "{cam}", "prefix": "backbone."}
    options = {"model.detector.backbone.init_cfg": start}
    options |= {f"model.detector.backbone.{key}": value for key, value in backbone.items()}
    return replace(
        trial, options={**trial.options, **options}, inputs={**trial.inputs, "cam": METHODS["CAM"]}
    )


def frozen() -> tuple[Effect, ...]:
    """What a backbone that stays as the CAM left it costs."""
    claim = "a backbone that learns no boxes costs {} GT-known on CUB ({}, Tables 2 and 6)"
    rows = [
        Effect(
            f"{name}, frozen",
            claim.format(cost, PAPER),
            from_cam(trial),
            from_cam(trial, frozen_stages=4),
            DETECTOR_METRICS,
        )
        for name, trial, cost in (
            ("Faster R-CNN", FASTER_RCNN, 5.1),
            ("FCOS", detector("wend/fcos"), 4.8),
        )
    ]
    start = Effect(
        "CAM's backbone",
        "the detector learns more from the CAM's weights than from random ones",
        FASTER_RCNN,
        from_cam(FASTER_RCNN),
        DETECTOR_METRICS,
        control=True,
    )
    return *rows, start


# 0.3 is the scenes' own noise: these rows share runs with the other groups
GROUPS: dict[str, tuple[Effect, ...]] = {
    "wend_bcd": against_scr("one object") + against_scr("several objects", "--objects", "3"),
    "wend_noise0": at_noise("--box-noise", "0"),
    "wend_noise0.3": at_noise(),
    "wend_noise0.6": at_noise("--box-noise", "0.6"),
    "wend_forms": forms(),
    "wend_frozen": frozen(),
}
