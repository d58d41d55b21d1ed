# TokenCut on EfficientNet-Lite0 as its package has it, 1000 classes by its own classifier: nothing is trained. Its
# checkpoint is the package's file, as in ../cam/efficientnet_lite0_in1k.py.
_base_ = ["../cam/efficientnet_lite0_in1k.py", "../_base_/methods/token_cut.py"]

model = _base_.pop("token_cut")
