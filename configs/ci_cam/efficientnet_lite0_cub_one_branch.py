# Control: no second branch. Two branches with the same features have the same loss twice.
_base_ = "../nl_ccam/efficientnet_lite0_cub.py"

model = dict(
    head=dict(
        combination=dict(_delete_=True, name="neg_quadratic"),
        loss=dict(type="mmpretrain.CrossEntropyLoss", loss_weight=2.0),
    )
)
