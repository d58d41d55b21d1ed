# CAM with EfficientNet-Lite0 fine-tuned on ILSVRC from its own classifier. Schedule and rate are ours.
_base_ = [
    "../_base_/models/efficientnet_lite0_cam.py",
    "../_base_/datasets/ilsvrc.py",
    "../_base_/schedules/fine_tune_6e.py",
    "../_base_/cls_runtime.py",
]

data_preprocessor = _base_.pop("efficientnet_lite0").data_preprocessor
model = dict(
    head=dict(
        init_cfg=dict(
            type="Pretrained",
            checkpoint={{_base_.model.backbone.init_cfg.checkpoint}},
            prefix="head.",
        )
    )
)
train_dataloader = dict(batch_size=16)
# nothing in it is new
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=1))))
