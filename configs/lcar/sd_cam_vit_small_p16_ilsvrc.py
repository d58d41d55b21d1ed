# SD-CAM (LCAR) with DINO ViT-S/16 on ILSVRC; a linear teacher.
_base_ = [
    "../_base_/models/vit_small_p16_sd_cam.py",
    "../_base_/datasets/ilsvrc.py",
    "../_base_/schedules/sd_cam_10e.py",
    "../_base_/cls_runtime.py",
]

train_dataloader = dict(batch_size=1024)
# the columns of Tables 1 to 3
val_evaluator = dict(iou_thrs=(0.3, 0.5, 0.7, 0.8, 0.9))
test_evaluator = dict(iou_thrs=(0.3, 0.5, 0.7, 0.8, 0.9))
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_loc"))
