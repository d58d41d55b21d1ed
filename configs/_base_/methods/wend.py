# WEND's weighted entropy by data set. The paper gives values for Faster R-CNN with DenseNet-161 alone;
# other networks take them over. An eta of 1/8 alone is almost an eight times smaller learning rate for
# the supervised losses: the control for the entropy is a config with `model.loss_we=None`.


def _entropy(gamma, alpha, tau):
    return dict(type="wsol_mm.WeightedEntropyLoss", gamma=gamma, alpha=alpha, tau1=tau, tau2=tau)


wend = dict(
    # gamma, alpha from Table 3, eta from Table 4, tau from Table 9
    cub=dict(eta=0.125, loss_we=_entropy(gamma=6, alpha=0.1, tau=0.3)),
    # Table 8
    ilsvrc=dict(eta=0.03125, loss_we=_entropy(gamma=4, alpha=0.25, tau=0.1)),
    # Deformable DETR: Table 11's best row, eta 1; Table 2 is .3 better, so its values differ
    detr_cub=dict(loss_we=_entropy(gamma=6, alpha=0.1, tau=0.9)),
    # not given: gamma and alpha of the data set's Faster R-CNN, tau and eta of CUB's Deformable DETR
    detr_ilsvrc=dict(loss_we=_entropy(gamma=4, alpha=0.25, tau=0.9)),
)
