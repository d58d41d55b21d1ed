# KG-CI-CAM's two experts with the weights of most networks on CUB (section IV-B) and Inception V3's
# threshold of the released code.
kg_experts = dict(
    cls=dict(
        model=dict(
            type="wsol_mm.CausalExpert",
            loss_fore=dict(type="mmpretrain.CrossEntropyLoss", loss_weight=1.0),
        ),
        default_hooks=dict(checkpoint=dict(save_best="wsol/top1_cls")),
    ),
    loc=dict(
        model=dict(
            type="wsol_mm.CausalExpert",
            loss_difference=dict(type="wsol_mm.DifferenceLoss", loss_weight=0.5),
            threshold=0.25,
        ),
        default_hooks=dict(checkpoint=dict(save_best="wsol/gt_known")),
    ),
)
