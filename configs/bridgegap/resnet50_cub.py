# BridgeGap with ResNet-50 on CUB-200-2011: the authors' config; the paper has no values for it.
_base_ = [
    "../_base_/models/resnet50_bridgegap.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/bridgegap_70e.py",
    "../_base_/cls_runtime.py",
]

model = dict(
    head=dict(
        num_classes=200,
        loss_sim=dict(tau_fg=0.4, tau_bg=0.2, loss_weight=0.5),
        loss_norm=dict(rule="fine_grained", loss_weight=0.05),  # all classes are birds
    )
)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
default_hooks = dict(
    warm_stage=dict(
        type="wsol_mm.WarmStageHook", epochs=20, losses=["head.loss_sim", "head.loss_norm"]
    )
)
