# WEND's Table 6: single-class regression on features as ImageNet left them, statistics of batch norm
# included.
_base_ = "./scr_r50_cub.py"

model = dict(detector=dict(backbone=dict(frozen_stages=4)))
