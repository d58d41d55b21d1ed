# Table 7: the Faster R-CNN of faster_rcnn_r50_cub.py from MoCo v2.
_base_ = ["./faster_rcnn_r50_cub.py", "../_base_/methods/moco_v2.py"]

model = _base_.pop("moco_v2")
