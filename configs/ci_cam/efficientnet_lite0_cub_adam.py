# The same by the optimizer of KG-CI-CAM's paper (section IV-B), which does not mind the scale of a loss;
# docs/photographs.md has both.
_base_ = "./efficientnet_lite0_cub.py"

optim_wrapper = dict(optimizer=dict(_delete_=True, type="Adam", lr=1e-4))
