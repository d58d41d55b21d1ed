# CI-CAM with EfficientNet-Lite0 on CUB-200-2011 or a part of it as KG-CI-CAM's student has it: rho = 0, and the
# paper's Adam (section IV-B), which does not mind the scale of a loss: a student's cross entropy has the
# weight 1 - alpha = .2.
_base_ = ["../ci_cam/efficientnet_lite0_cub.py", "../_base_/methods/kg_student.py"]

model = _base_.pop("kg_student")
optim_wrapper = dict(optimizer=dict(_delete_=True, type="Adam", lr=1e-4))
