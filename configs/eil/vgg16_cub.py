# EIL with VGG-16 on CUB-200-2011. Place, threshold and weight are from memory of the paper, not checked
# against it; rate and schedule are those of ../bridgegap/vgg16_cub.py, whose table compares with it.
_base_ = [
    "../_base_/models/vgg16_cam.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/bridgegap_70e.py",
    "../_base_/cls_runtime.py",
    "../_base_/methods/eil.py",
]

model = dict(
    type="wsol_mm.WSOLClassifier",
    # conv4_3, before the last pooling
    erasing=dict(_base_.pop("eil"), after="backbone.features.12"),
    head=dict(num_classes=200),
)
optim_wrapper = dict(
    optimizer=dict(lr=4e-3),
    paramwise_cfg=dict(custom_keys={"backbone.conv6": dict(lr_mult=5), "head": dict(lr_mult=5)}),
)
