# Table 7: the Deformable DETR of deformable_detr_r50_ilsvrc.py from MoCo v2.
_base_ = ["./deformable_detr_r50_ilsvrc.py", "../_base_/methods/moco_v2.py"]

model = _base_.pop("moco_v2")
