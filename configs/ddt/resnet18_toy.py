# DDT on toy scenes, on the frozen backbone that configs/cam/resnet18_toy.py trained first.
_base_ = [
    "../_base_/models/resnet18_toy_cam.py",
    "../_base_/datasets/toy.py",
    "../_base_/schedules/toy_12e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    backbone=dict(
        frozen_stages=4,
        norm_eval=True,
        init_cfg=dict(
            type="Pretrained",
            checkpoint="work_dirs/resnet18_toy/epoch_12.pth",
            prefix="backbone.",
        ),
    ),
    head=dict(type="wsol_mm.DDTHead"),
)
optim_wrapper = dict(optimizer=dict(lr=0.05))
# a projection's zero is the border of the object
val_evaluator = dict(normalization="max")
test_evaluator = dict(normalization="max")
custom_hooks = [
    dict(
        type="wsol_mm.FitDDTHook",
        pipeline=[dict(type="LoadImageFromFile"), dict(type="wsol_mm.PackWSOLInputs")],
    )
]
