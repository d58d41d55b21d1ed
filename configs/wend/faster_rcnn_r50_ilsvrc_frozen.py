# Table 6: the Faster R-CNN of faster_rcnn_r50_ilsvrc.py on features as ImageNet left them, statistics of batch norm included.
_base_ = ["./faster_rcnn_r50_ilsvrc.py", "../_base_/methods/frozen.py"]

model = _base_.pop("frozen")
