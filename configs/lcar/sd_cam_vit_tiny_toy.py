# SD-CAM on toy scenes. As for TokenCut, no pretrained weights fit 96 px: the small transformer learns
# from scratch together with both heads.
_base_ = "../tokencut/vit_tiny_toy.py"

model = dict(head=dict(type="wsol_mm.SDCAMHead", hidden_channels=384))
val_evaluator = dict(iou_thrs=(0.3, 0.5, 0.7, 0.8, 0.9))
test_evaluator = dict(iou_thrs=(0.3, 0.5, 0.7, 0.8, 0.9))
