# BridgeGap with VGG-16 on ILSVRC: rate, epochs and steps from bridging-gap-wsol issue 1.
_base_ = [
    "../_base_/models/vgg16_bridgegap.py",
    "../_base_/datasets/ilsvrc.py",
    "../_base_/schedules/cam_10e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    # Dropout and losses: those of resnet50_ilsvrc.py, default, not searched. The authors' own are
    # in an appendix that we do not have.
    erasing=dict(layer=dict(drop_prob=0.25), loss_weight=2.0),
    head=dict(
        loss_sim=dict(tau_fg=0.28, tau_bg=0.25, loss_weight=8.0),
        loss_norm=dict(rule="general", loss_weight=1.0),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=2e-5))
# a tenth of the rate from epochs 11 and 31 on, counted from 1
param_scheduler = dict(milestones=[10, 30])
train_cfg = dict(max_epochs=40)
default_hooks = dict(
    warm_stage=dict(
        type="wsol_mm.WarmStageHook", epochs=5, losses=["head.loss_sim", "head.loss_norm"]
    )
)
