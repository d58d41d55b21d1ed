# SD-CAM (LCAR) on EfficientNet-Lite0 as its package has it, 1000 classes by its own classifier, which is teacher and
# student: nothing is trained. Its checkpoint is the package's file, as in ../cam/efficientnet_lite0_in1k.py.
_base_ = ["../tokencut/efficientnet_lite0_in1k.py", "../_base_/methods/sd_cam.py"]

model = _base_.pop("sd_cam")
