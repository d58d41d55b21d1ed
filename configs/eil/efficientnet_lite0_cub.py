# EIL with EfficientNet-Lite0 on CUB-200-2011 or a part of it, with the values of vgg16_cub.py.
_base_ = ["../cam/efficientnet_lite0_cub.py", "../_base_/methods/eil.py"]

# where ../bridgegap erases
model = dict(erasing=dict(_base_.pop("eil"), after="backbone.timm_model.blocks.5.0.bn2"))
