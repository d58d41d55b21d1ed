# BridgeGap with ResNet-50 on ILSVRC: values the authors give in bridging-gap-wsol issue 1.
_base_ = [
    "../_base_/models/resnet50_bridgegap.py",
    "../_base_/datasets/ilsvrc.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    head=dict(
        loss_sim=dict(tau_fg=0.28, tau_bg=0.25, loss_weight=8.0),
        loss_norm=dict(rule="general", loss_weight=1.0),
        # keeps the ImageNet classifier
        init_cfg=dict(
            type="Pretrained",
            checkpoint={{_base_.model.backbone.init_cfg.checkpoint}},
            prefix="head.",
        ),
    )
)
optim_wrapper = dict(optimizer=dict(lr=1e-5))
# a tenth of the rate from epoch 21 on, counted from 1; the authors' second step, at 31, never comes
param_scheduler = dict(milestones=[20, 30])
train_cfg = dict(max_epochs=30)
default_hooks = dict(
    warm_stage=dict(
        type="wsol_mm.WarmStageHook", epochs=14, losses=["head.loss_sim", "head.loss_norm"]
    )
)
