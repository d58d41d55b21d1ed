# WEND with Faster R-CNN and a narrow ResNet-18 on 96 px toy scenes: about two minutes on two cores.
_base_ = [
    "../_base_/models/faster_rcnn_r50_c5.py",
    "../_base_/datasets/toy_det.py",
    "../_base_/schedules/wend_toy_8e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

model = dict(
    **_base_.pop("wend").cub,
    detector=dict(
        # configs/cam/resnet18_toy.py's backbone, 12x12 cells of 8 px, from random weights
        backbone=dict(
            _delete_=True,
            type="mmpretrain.ResNet",
            depth=18,
            base_channels=16,
            strides=(1, 2, 1, 1),
        ),
        rpn_head=dict(
            in_channels=128,
            feat_channels=64,
            anchor_generator=dict(scales=[3, 5, 8], strides=[8]),
        ),
        roi_head=dict(
            bbox_roi_extractor=dict(out_channels=128, featmap_strides=[8]),
            bbox_head=dict(
                in_channels=128,
                fc_out_channels=128,
            ),
        ),
        train_cfg=dict(
            rpn=dict(sampler=dict(num=32)),
            rpn_proposal=dict(nms_pre=200, max_per_img=30),
            rcnn=dict(sampler=dict(num=16)),
        ),
        test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=30)),
    ),
)
