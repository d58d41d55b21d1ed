# Table 6: the CLN of cln_r50_ilsvrc.py on features as ImageNet left them, statistics of batch norm included.
_base_ = ["./cln_r50_ilsvrc.py", "../_base_/methods/frozen.py"]

model = _base_.pop("frozen")
