# The released student: one expert or none for each image, probabilities where the divergence wants
# their logarithms, sigmoids of activations, pool rate .002, and experts trained as released.
# Augmentation stays that of all rows.
_base_ = "./vgg16_cub.py"

model = dict(
    head=dict(context_pool=dict(rate=0.002)),
    cls_teacher=dict(checkpoint="work_dirs/vgg16_cub_cls_expert_released/best_wsol_top1_cls_*.pth"),
    loc_teacher=dict(checkpoint="work_dirs/vgg16_cub_loc_expert_released/best_wsol_gt_known_*.pth"),
    cls_guidance=dict(kl_input="probabilities"),
    loc_guidance=dict(squash="sigmoid"),
    routing="random",
)
