# CAM with ResNet-50 on ILSVRC.
# Learning rate: the benchmark's search, as transcribed by third parties.
_base_ = [
    "../_base_/models/resnet50_cam.py",
    "../_base_/datasets/ilsvrc.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    backbone=dict(strides=(1, 2, 1, 1)),  # 28x28 maps
    # the benchmark keeps the ImageNet classifier here, and only here
    head=dict(
        init_cfg=dict(
            type="Pretrained",
            checkpoint={{_base_.model.backbone.init_cfg.checkpoint}},
            prefix="head.",
        )
    ),
)
optim_wrapper = dict(optimizer=dict(lr=3.108411e-5))
