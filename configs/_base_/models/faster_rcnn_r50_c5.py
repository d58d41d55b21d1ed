# MMDetection's Faster R-CNN as a binary-class detector for object-centric 224 px crops: the heads sit
# directly on C5 (stride 32, 7x7 cells, 441 anchors), one foreground class, few samples and proposals.
# WEND says "on the backbone feature map" and "cut down"; the numbers are ours where it gives none.
_base_ = "mmdet::_base_/models/faster-rcnn_r50_fpn.py"

model = dict(
    type="wsol_mm.BCDFasterRCNN",
    # all layers and batch norms train: 224 px crops leave room for large batches
    backbone=dict(out_indices=(3,), frozen_stages=-1, norm_eval=False),
    neck=None,
    # MMDetection's heads with the targets of a batch at once
    rpn_head=dict(
        type="wsol_mm.BatchRPNHead",
        in_channels=2048,
        feat_channels=512,
        # squares of 64, 128 and 224 px
        anchor_generator=dict(scales=[2, 4, 7], strides=[32]),
    ),
    roi_head=dict(
        type="wsol_mm.BatchRoIHead",
        bbox_roi_extractor=dict(out_channels=2048, featmap_strides=[32]),
        bbox_head=dict(type="wsol_mm.WEShared2FCBBoxHead", in_channels=2048, num_classes=1),
    ),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(max_per_img=100),
        # half positives at most: the paper's pos:neg = 1:1 (its Table 12)
        rcnn=dict(sampler=dict(num=64, pos_fraction=0.5)),
    ),
    test_cfg=dict(rpn=dict(max_per_img=100)),
)
