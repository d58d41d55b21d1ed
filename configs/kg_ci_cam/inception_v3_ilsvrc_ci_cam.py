# CI-CAM with Inception V3 on ILSVRC as KG-CI-CAM's tables have it (rho = 0).
_base_ = "../ci_cam/inception_v3_ilsvrc.py"

model = dict(head=dict(rho=0.0))
