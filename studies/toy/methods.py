"""Every method's toy config with a short schedule: what studies on toy scenes start from."""

from studies.harness.trial import Trial

# A run is small by design: 8 epochs instead of 12, with the schedule and, where there is one, the
# warm stage. CAM's classifier still reaches 100 % Top-1.
SHORT = {
    "train_cfg.max_epochs": 8,
    "train_cfg.val_interval": 2,
    "param_scheduler.1.end": 8,
    "param_scheduler.1.T_max": 6,
}
SHORT_WARM = {**SHORT, "default_hooks.warm_stage.epochs": 3}

METHODS = {
    "CAM": Trial("configs/cam/resnet18_toy.py", SHORT),
    "HaS": Trial("configs/has/resnet18_toy.py", SHORT),
    "ACoL": Trial("configs/acol/resnet18_toy.py", SHORT),
    "SPG": Trial("configs/spg/resnet18_toy.py", SHORT),
    "ADL": Trial("configs/adl/resnet18_toy.py", SHORT),
    "CutMix": Trial("configs/cutmix/resnet18_toy.py", SHORT),
    "BridgeGap": Trial("configs/bridgegap/resnet18_toy.py", SHORT_WARM),
}
METRIC_NAMES = {
    "max_box_acc_v2": "MaxBoxAccV2",
    "max_box_acc_v2_iou30": "MaxBoxAccV2, IoU 0.3",
    "max_box_acc_v2_iou50": "MaxBoxAccV2, IoU 0.5",
    "max_box_acc_v2_iou70": "MaxBoxAccV2, IoU 0.7",
    "multi_box_acc_v2": "MaxBoxAccV2, all boxes",
    "gt_known": "GT-known",
    "multi_gt_known": "GT-known, any box",
    "mean_boxes": "boxes per image (a count)",
    "top1_loc": "Top-1 Loc",
    "top1_cls": "Top-1 Cls",
    **{f"gt_known_iou{iou}": f"GT(0.{iou // 10})" for iou in (50, 70, 80, 90)},
}
