# KG-CI-CAM's localization expert with VGG-16 on CUB-200-2011. Weight: section IV-B. The released code
# has threshold 0, which makes the whole image foreground; this is Inception V3's. Table VII
# wants two experts, of one training: default_hooks.checkpoint.save_best=[wsol/gt_known,wsol/top1_loc].
_base_ = ["../ci_cam/vgg16_cub.py", "../_base_/methods/kg_experts.py"]

model = _base_.kg_experts.loc.model
default_hooks = _base_.pop("kg_experts").loc.default_hooks
