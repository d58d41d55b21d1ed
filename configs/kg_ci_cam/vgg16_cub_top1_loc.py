# Table VII: guided by the localization expert that is best at Top-1 Loc, not at GT-known, on val; its
# training must have kept both (vgg16_cub_loc_expert.py says how).
_base_ = "./vgg16_cub.py"

model = dict(
    loc_teacher=dict(checkpoint="work_dirs/vgg16_cub_loc_expert/best_wsol_top1_loc_*.pth"),
)
