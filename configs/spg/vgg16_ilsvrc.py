# SPG with VGG-16 on ILSVRC.
# Learning rate: CAM's on this data set; thresholds: CUB's. Default, not searched.
_base_ = ["../cam/vgg16_ilsvrc.py", "../_base_/methods/spg.py"]

model = _base_.spg.vgg16.model
optim_wrapper = _base_.pop("spg").vgg16.optim_wrapper
