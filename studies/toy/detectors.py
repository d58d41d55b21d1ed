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
            {"model.backbone.init_cfg.checkpoint": "{cam}"},
        ),
        inputs={"boxes": BOXES, "cam": CAM},
    ),
}


def classifier_key(trial: Trial) -> str:
    """Config key of the head whose classifier has the entropy."""
    two_stage = "roi_head" in resolved_config(trial).model
    return "model.roi_head.bbox_head" if two_stage else "model.bbox_head"


def without_entropy(trial: Trial) -> Trial:
    """The same detector at the same ``eta`` and rate, trained on the boxes alone."""
    return replace(trial, options={**trial.options, f"{classifier_key(trial)}.loss_we": None})


def at_eta(trial: Trial, eta: float) -> Trial:
    """The same detector with another weight of the supervised losses.

    The rate moves the other way, so that the steps of supervision stay as long as they were and
    only the entropy's share changes: eta alone would be a search of the learning rate.
    """
    cfg = resolved_config(trial)
    own, rate = cfg.model.get("eta", 1.0), cfg.optim_wrapper.optimizer.lr
    if eta == own:
        return trial
    changed = {"model.eta": eta, "optim_wrapper.optimizer.lr": rate * own / eta}
    return replace(trial, options={**trial.options, **changed})
