# The FCOS of fcos_r50_ilsvrc.py with a lean head, which the paper does not have.
_base_ = ["./fcos_r50_ilsvrc.py", "../_base_/methods/fcos_lean.py"]

model = _base_.pop("fcos_lean")
