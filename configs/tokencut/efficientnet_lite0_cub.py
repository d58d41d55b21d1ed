# TokenCut on the frozen EfficientNet-Lite0 on CUB-200-2011 or a part of it.
_base_ = ["../cam/efficientnet_lite0_cub.py", "../_base_/methods/token_cut.py"]

model = _base_.pop("token_cut")
