"""WEND's detectors and their baseline SCR on toy scenes, trained on boxes that the toy CAM drew."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from studies.harness.trial import PseudoBoxes, Trial, resolved_config
from studies.toy.methods import METHODS

CAM = METHODS["CAM"]
BOXES = PseudoBoxes(CAM)
READ_BOXES = {"train_dataloader.dataset.pseudo_boxes": "{boxes}"}


def on_cam_boxes(config: str, options: Mapping[str, Any] | None = None) -> Trial:
    """A toy config of ``supervision='pseudo_boxes'`` that reads the CAM's boxes."""
    return Trial(config, {**READ_BOXES, **(options or {})}, inputs={"boxes": BOXES})


SCR = on_cam_boxes("configs/psol/scr_r18_toy.py")
# Each as its config has it, with weighted entropy.
DETECTORS = {
    "Faster R-CNN": on_cam_boxes("configs/wend/faster_rcnn_r18_toy.py"),
    "FCOS": on_cam_boxes("configs/wend/fcos_r18_toy.py"),
    "CLN": on_cam_boxes("configs/wend/cln_r18_toy.py"),
    "Deformable DETR": replace(
        on_cam_boxes(
            "configs/wend/deformable_detr_r18_toy.py",
            {"model.detector.backbone.init_cfg.checkpoint": "{cam}"},
        ),
        inputs={"boxes": BOXES, "cam": CAM},
    ),
}


def without_entropy(trial: Trial) -> Trial:
    """The same detector at the same ``eta`` and rate, trained on the boxes alone."""
    return replace(trial, options={**trial.options, "model.loss_we": None})


def at_eta(trial: Trial, eta: float) -> Trial:
    """The same detector with another weight of the supervised losses.

    Under SGD the rate moves the other way, so that the steps of supervision stay as long as they
    were and only the entropy's share changes: eta alone would be a search of the learning rate.
    Adam's steps do not depend on the length of the gradient.
    """
    cfg = resolved_config(trial)
    own, optimizer = cfg.model.get("eta", 1.0), cfg.optim_wrapper.optimizer
    if eta == own:
        return trial
    changed = {"model.eta": eta}
    if optimizer.type == "SGD":
        changed["optim_wrapper.optimizer.lr"] = optimizer.lr * own / eta
    return replace(trial, options={**trial.options, **changed})


def at_fixed_rate(trial: Trial, eta: float) -> Trial:
    """The same detector at another eta and its own rate: as the paper changes eta."""
    return replace(trial, options={**trial.options, "model.eta": eta})
