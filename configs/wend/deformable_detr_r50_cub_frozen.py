# Table 6: the Deformable DETR of deformable_detr_r50_cub.py on features as ImageNet left them, statistics of batch norm included.
_base_ = ["./deformable_detr_r50_cub.py", "../_base_/methods/frozen.py"]

model = _base_.pop("frozen")
