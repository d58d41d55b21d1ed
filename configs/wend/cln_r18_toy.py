# WEND with CLN and a narrow ResNet-18 on 96 px toy scenes, from random weights.
_base_ = [
    "../_base_/models/cln_r50_c5.py",
    "../_base_/datasets/toy_det.py",
    "../_base_/schedules/wend_toy_8e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

model = dict(
    **_base_.pop("wend").cub,
    detector=dict(
        # configs/cam/resnet18_toy.py's backbone, 12x12 cells of 8 px
        backbone=dict(
            _delete_=True,
            type="mmpretrain.ResNet",
            depth=18,
            base_channels=16,
            strides=(1, 2, 1, 1),
        ),
        rpn_head=dict(
            in_channels=128, feat_channels=64, anchor_generator=dict(scales=[5], strides=[8])
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
# on features of length 1 the quality's layer needs long steps: at the common rate its loss stood still
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(rpn_cls=dict(lr_mult=10))))
