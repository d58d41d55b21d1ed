# The Faster R-CNN of faster_rcnn_r50_c5.py on DenseNet-161: C5 is what leaves its last norm and ReLU, 2208
# channels at stride 32. `frozen_stages` of this backbone counts from 1 and leaves the stem out.
_base_ = "./faster_rcnn_r50_c5.py"

model = dict(
    detector=dict(
        backbone=dict(
            _delete_=True,
            type="mmpretrain.DenseNet",
            arch="161",
            out_indices=(3,),
            init_cfg=dict(
                type="Pretrained",
                checkpoint="https://mmassets.onedl.ai/mmclassification/v0/densenet/densenet161_4xb256_in1k_20220426-ee6a80a9.pth",
                prefix="backbone.",
            ),
        ),
        rpn_head=dict(in_channels=2208),
        roi_head=dict(
            bbox_roi_extractor=dict(out_channels=2208),
            bbox_head=dict(in_channels=2208),
        ),
    ),
)
