# MMDetection's Faster R-CNN as a binary-class detector for object-centric 224 px crops: the heads sit
# directly on C5 (stride 32, 7x7 cells, 441 anchors), one foreground class, few samples and proposals.
# WEND says "on the backbone feature map" and "cut down"; the numbers are ours where it gives none.
_base_ = "mmdet::_base_/models/faster-rcnn_r50_fpn.py"

_detector = _base_.model
_detector.neck = None
# all layers and batch norms train: 224 px crops leave room for large batches
_detector.backbone.update(out_indices=(3,), frozen_stages=-1, norm_eval=False)
# MMDetection's heads with the targets of a batch at once; squares of 64, 128 and 224 px
_detector.rpn_head.update(type="wsol_mm.BatchRPNHead", in_channels=2048, feat_channels=512)
_detector.rpn_head.anchor_generator.update(scales=[2, 4, 7], strides=[32])
_detector.roi_head.type = "wsol_mm.BatchRoIHead"
_detector.roi_head.bbox_roi_extractor.update(out_channels=2048, featmap_strides=[32])
_detector.roi_head.bbox_head.update(in_channels=2048, num_classes=1)
_detector.train_cfg.rpn.sampler.num = 64
# section 3.2.1: where no anchor passes the threshold, the best one is positive, however small its IoU
_detector.train_cfg.rpn.assigner.min_pos_iou = 1e-3
_detector.train_cfg.rpn_proposal.max_per_img = 100
# pos:neg = 1:1 (Table 12), no more negatives than positives: neg_pos_ub is the ratio, not a ceiling
_detector.train_cfg.rcnn.sampler.update(num=64, pos_fraction=0.5, neg_pos_ub=1)
_detector.test_cfg.rpn.max_per_img = 100
model = dict(_delete_=True, type="wsol_mm.BinaryClassDetector", detector=_detector)
del _detector
