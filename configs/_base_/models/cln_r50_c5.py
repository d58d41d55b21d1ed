# CLN, UniDetector's class-agnostic localization network, as a binary-class detector on C5: one square
# anchor per cell whose centerness stands for its quality, box sides by IoU, and behind RoIAlign a
# classifier beside the IoU of the proposal. Score: p^.3 (RPN quality x IoU)^.7. WEND's sampling and NMS
# of faster_rcnn_r50_c5.py stay; anchors of 128 px, half of what UniDetector has for its stride.
_base_ = "./faster_rcnn_r50_c5.py"

model = dict(
    detector=dict(
        rpn_head=dict(
            _delete_=True,
            type="wsol_mm.CLNRPNHead",
            in_channels=2048,
            feat_channels=512,
            anchor_generator=dict(
                type="mmdet.AnchorGenerator", scales=[4], ratios=[1.0], strides=[32]
            ),
            bbox_coder=dict(type="mmdet.TBLRBBoxCoder", normalizer=1.0),
            reg_decoded_bbox=True,
            loss_bbox=dict(type="mmdet.IoULoss", mode="linear", loss_weight=10.0),
            loss_quality=dict(type="mmdet.L1Loss"),
            # sides start at half an anchor: boxes without area would have no gradient
            init_cfg=dict(
                type="Normal",
                layer="Conv2d",
                std=0.01,
                override=dict(type="Normal", name="rpn_reg", std=0.01, bias=0.5),
            ),
        ),
        roi_head=dict(
            type="wsol_mm.CLNRoIHead",
            bbox_head=dict(type="wsol_mm.CLNBBoxHead", loss_quality=dict(type="mmdet.L1Loss")),
        ),
        train_cfg=dict(rpn=dict(sampler=dict(num=256))),
        # every cell's box is a proposal
        test_cfg=dict(rpn=dict(nms=None)),
    ),
)
