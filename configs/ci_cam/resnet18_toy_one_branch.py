# Control: no second branch. Two branches with the same features have the same loss twice.
_base_ = "../nl_ccam/resnet18_toy.py"

model = dict(
    head=dict(
        combination=dict(_delete_=True, name="neg_quadratic"),
        loss=dict(loss_weight=2.0),
    )
)
