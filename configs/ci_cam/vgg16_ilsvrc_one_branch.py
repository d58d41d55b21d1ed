# Table 3, "two classifiers" without a pool: both read the same features, which is one branch with
# their loss twice.
_base_ = "../nl_ccam/vgg16_ilsvrc.py"

model = dict(head=dict(loss=dict(loss_weight=2.0)))
