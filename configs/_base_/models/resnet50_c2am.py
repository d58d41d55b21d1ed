# C2AM on ResNet-50, ImageNet weights: layer3 and layer4 at stride 16 side by side, 28x28 maps at 448 px.
# As in the authors' code, scale and shift of all batch norms stay as they are while their statistics go
# on; no momentum. Their rate of 1e-4 holds for the head too; the probe's is ours.
_base_ = ["mmpretrain::_base_/models/resnet50.py"]

model = dict(
    backbone=dict(
        strides=(1, 2, 2, 1),
        out_indices=(2, 3),
        norm_cfg=dict(type="BN", requires_grad=False),
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://mmassets.onedl.ai/mmclassification/v0/resnet/resnet50_8xb32_in1k_20210831-ea4938fc.pth",
            prefix="backbone.",
        ),
    ),
    neck=None,
    head=dict(_delete_=True, type="wsol_mm.C2AMHead", num_classes=1000, in_channels=3072),
)
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys={"head.fc": dict(lr_mult=1000)}),
)
custom_hooks = [dict(type="wsol_mm.PolarityVoteHook")]
