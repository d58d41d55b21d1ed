# CI-CAM with EfficientNet-Lite0 on CUB-200-2011 or a part of it by the optimizer of KG-CI-CAM's paper (section
# IV-B), which does not mind the scale of a loss; docs/photographs.md has it beside SGD.
_base_ = "./efficientnet_lite0_cub.py"

optim_wrapper = dict(optimizer=dict(_delete_=True, type="Adam", lr=1e-4))
