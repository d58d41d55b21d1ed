# BridgeGap with VGG-16 on CUB-200-2011: section 5.4 of the paper and the authors' config.
_base_ = [
    "../_base_/models/vgg16_bridgegap.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/bridgegap_70e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    erasing=dict(layer=dict(drop_prob=0.5), loss_weight=3.0),
    head=dict(
        num_classes=200,
        loss_sim=dict(tau_fg=0.6, tau_bg=0.1, loss_weight=0.5),
        loss_norm=dict(rule="fine_grained", loss_weight=0.15),  # all classes are birds
    ),
)
optim_wrapper = dict(optimizer=dict(lr=4e-3))
default_hooks = dict(
    warm_stage=dict(
        type="wsol_mm.WarmStageHook",
        epochs=20,
        losses=["head.loss_sim", "head.loss_norm"],
        batch_size=(32, 64),
    )
)
