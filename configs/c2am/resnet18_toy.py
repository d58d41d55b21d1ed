# C2AM on toy scenes, from the backbone that configs/cam/resnet18_toy.py trained first.
_base_ = [
    "../_base_/models/resnet18_toy_cam.py",
    "../_base_/datasets/toy.py",
    "../_base_/schedules/toy_12e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    backbone=dict(
        out_indices=(2, 3),  # 64 and 128 channels, 12x12 both
        init_cfg=dict(
            type="Pretrained",
            checkpoint="work_dirs/resnet18_toy/epoch_12.pth",
            prefix="backbone.",
        ),
    ),
    head=dict(_delete_=True, type="wsol_mm.C2AMHead", num_classes=6, in_channels=192),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={"head.fc": dict(lr_mult=10)}))
# thresholds are shares of the maximum, as the authors'
val_evaluator = dict(normalization="max")
test_evaluator = dict(normalization="max")
custom_hooks = [dict(type="wsol_mm.PolarityVoteHook")]
