# ADL with VGG-16 on ILSVRC.
# Default, not searched: the settings of vgg16_cub.py at CAM's learning rate for this data set.
_base_ = ["../cam/vgg16_ilsvrc.py", "../_base_/methods/adl.py"]

model = _base_.pop("adl").vgg16
