# TokenCut with DINO ViT-S/16 on CUB-200-2011, images squashed to 224 px.
_base_ = [
    "../_base_/models/vit_small_p16_token_cut.py",
    "../_base_/datasets/cub.py",
    "../_base_/schedules/token_cut_1000e.py",
    "../_base_/cls_runtime.py",
]

# tau: the authors' default for this task, which they ran CUB with
model = dict(head=dict(num_classes=200, tau=0.05))
train_dataloader = dict(batch_size=256)
default_hooks = dict(checkpoint=dict(save_best="wsol/top1_loc"))
