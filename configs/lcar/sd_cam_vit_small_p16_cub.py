# SD-CAM (LCAR) with DINO ViT-S/16 on CUB-200-2011: TokenCut's eigenvector, its side chosen by the
# class; the teacher has an MLP block.
_base_ = [
    "../_base_/models/vit_small_p16_sd_cam.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/sd_cam_100e.py",
    "../_base_/cls_runtime.py",
]

# tau: not in the paper; TokenCut's own on this data set (../tokencut/vit_small_p16_cub.py)
model = dict(head=dict(num_classes=200, hidden_channels=1536, tau=0.05))
train_dataloader = dict(batch_size=128)
# the columns of Tables 1 to 3
val_evaluator = dict(iou_thrs=(0.3, 0.5, 0.7, 0.8, 0.9))
test_evaluator = dict(iou_thrs=(0.3, 0.5, 0.7, 0.8, 0.9))
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_loc"))
