# WEND's Table 6: single-class regression on features as ImageNet left them, statistics of batch norm
# included.
_base_ = ["./scr_r50_ilsvrc.py", "../_base_/methods/frozen.py"]

model = _base_.pop("frozen")
