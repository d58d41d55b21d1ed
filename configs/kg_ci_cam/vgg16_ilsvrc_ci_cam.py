# CI-CAM with VGG-16 on ILSVRC as KG-CI-CAM's tables have it (rho = 0). Batch and rate: section
# IV-B, its student's.
_base_ = ["../ci_cam/vgg16_ilsvrc.py", "../_base_/methods/kg_student.py"]

model = _base_.pop("kg_student")
train_dataloader = dict(batch_size=78)
optim_wrapper = dict(optimizer=dict(lr=8e-5))
auto_scale_lr = dict(base_batch_size=78)
