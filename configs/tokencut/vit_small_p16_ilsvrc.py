# TokenCut with DINO ViT-S/16 on ILSVRC, images squashed to 224 px; tau .2.
_base_ = [
    "../_base_/models/vit_small_p16_token_cut.py",
    "../_base_/datasets/ilsvrc.py",
    "../_base_/schedules/token_cut_100e.py",
    "../_base_/cls_runtime.py",
]

train_dataloader = dict(batch_size=256)
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_loc"))
