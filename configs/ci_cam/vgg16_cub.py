# CI-CAM with VGG-16 on CUB-200-2011, as the released code trains it: lr 5e-4 for the classifier, a
# tenth of it elsewhere, pool rate .01 (the head's default), best class's own map left out.
_base_ = ["../nl_ccam/vgg16_cub.py", "../_base_/methods/ci_cam.py"]

model = _base_.pop("ci_cam").cub
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys={"head.context_pool": dict(lr_mult=0.1)}),
)
