# SCR on CUB as in C2AM's code: batch 64 on one GPU, learning rate .002 for the backbone and .004 for the
# head, cosine to 0 at every iteration. PSOL has published no code for CUB.
_base_ = "./wend_sgd_50e.py"

optim_wrapper = dict(optimizer=dict(lr=0.004))
param_scheduler = [
    dict(type="CosineAnnealingLR", T_max=100, eta_min=0, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=100)
auto_scale_lr = dict(base_batch_size=64)
