# Table 6: the FCOS of fcos_r50_ilsvrc.py on features as ImageNet left them, statistics of batch norm included.
_base_ = ["./fcos_r50_ilsvrc.py", "../_base_/methods/frozen.py"]

model = _base_.pop("frozen")
