# CI-CAM with a narrow ResNet-18 on toy scenes. Pool rate: on CUB a class has some 3000 updates (30
# images, 100 epochs) and remembers 100 of them, a thirtieth; here every batch holds every class, which
# makes 19 updates in each of 12 epochs, of which .1 remembers 10.
_base_ = ["../nl_ccam/resnet18_toy.py", "../_base_/methods/ci_cam.py"]

model = _base_.pop("ci_cam").cub
model.head.context_pool.update(size=12, rate=0.1)
