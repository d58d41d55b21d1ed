# CI-CAM on toy scenes as KG-CI-CAM's student has it: rho = 0, and the paper's Adam (section IV-B),
# because it does not mind that a student's cross entropy has the weight 1 - alpha = .2, as SGD does.
_base_ = ["../ci_cam/resnet18_toy.py", "../_base_/methods/kg_student.py"]

model = _base_.pop("kg_student")
optim_wrapper = dict(_delete_=True, type="OptimWrapper", optimizer=dict(type="Adam", lr=2e-3))
