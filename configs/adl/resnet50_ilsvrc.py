# ADL with ResNet-50 on ILSVRC.
# Default, not searched: the settings of resnet50_cub.py at CAM's learning rate for this data set.
_base_ = ["../cam/resnet50_ilsvrc.py", "../_base_/methods/adl.py"]

model = _base_.pop("adl").resnet50
