"""Small binary-class detectors of every kind that takes the entropy, and batches for them."""

import copy
from pathlib import Path

import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

import wsol_mm.models  # noqa: F401
from wsol_mm.registry import MODELS

CONFIGS = Path(__file__).parents[3] / "configs"
WE = dict(type="wsol_mm.WeightedEntropyLoss", gamma=2, alpha=0.25, tau1=0.5, tau2=0.5)
# ours, on one level of 12x12 cells
OURS = {
    "Faster R-CNN": "wend/faster_rcnn_r18_toy.py",
    "CLN": "wend/cln_r18_toy.py",
    "FCOS": "wend/fcos_r18_toy.py",
    "Deformable DETR": "wend/deformable_detr_r18_toy.py",
}
# mmdet's own, on a pyramid
THEIRS = {
    "RetinaNet": "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py",
    "ATSS": "mmdet::atss/atss_r50_fpn_1x_coco.py",
    "FCOS, mmdet's": "mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
    "RTMDet": "mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
    "DINO": "mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py",
    "Faster R-CNN, mmdet's": "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
}
NAMES = [*OURS, *THEIRS]
QUERIES = ("Deformable DETR", "DINO")
TWO_STAGE = ("Faster R-CNN", "CLN", "Faster R-CNN, mmdet's")


def mmdets(config: str) -> dict:
    """A detector of mmdet's with a narrow backbone and few layers."""
    cfg = copy.deepcopy(get_config(config).model)
    cfg.backbone = dict(
        type="mmpretrain.ResNet", depth=18, base_channels=8, out_indices=(0, 1, 2, 3)
    )
    cfg.neck.update(in_channels=[8, 16, 32, 64], out_channels=32)
    if cfg.type == "RTMDet":
        cfg.use_syncbn = False
        cfg.backbone.out_indices = (1, 2, 3)
        cfg.neck.update(in_channels=[16, 32, 64], norm_cfg=dict(type="BN"))
        cfg.bbox_head.update(in_channels=32, feat_channels=32, norm_cfg=dict(type="BN"))
    elif cfg.type == "DINO":
        cfg.num_queries = 30
        cfg.backbone.out_indices = (1, 2, 3)
        cfg.neck.update(in_channels=[16, 32, 64])
        for part, layers in ((cfg.encoder, 1), (cfg.decoder, 2)):
            part.num_layers = layers
            part.layer_cfg.self_attn_cfg.update(embed_dims=32)
            part.layer_cfg.ffn_cfg.update(embed_dims=32, feedforward_channels=64)
        cfg.decoder.layer_cfg.cross_attn_cfg.update(embed_dims=32)
        cfg.positional_encoding.num_feats = 16
        cfg.bbox_head.update(embed_dims=32)
        cfg.dn_cfg.group_cfg.num_dn_queries = 10
    elif cfg.type == "FasterRCNN":
        cfg.rpn_head.update(in_channels=32, feat_channels=16)
        cfg.roi_head.bbox_roi_extractor.out_channels = 32
        cfg.roi_head.bbox_head.update(in_channels=32, fc_out_channels=16)
        cfg.train_cfg.rpn_proposal.max_per_img = 40
        cfg.train_cfg.rcnn.sampler.num = 16
    else:
        cfg.bbox_head.update(in_channels=32, feat_channels=64)
        cfg.bbox_head.stacked_convs = 1
    head = cfg.roi_head.bbox_head if "roi_head" in cfg else cfg.bbox_head
    head.num_classes = 1
    return cfg


def config(name: str) -> dict:
    """The detector's part of a model, without pretrained weights."""
    if name in THEIRS:
        return mmdets(THEIRS[name])
    cfg = Config.fromfile(CONFIGS / OURS[name]).model.detector
    cfg.backbone.update(base_channels=8, init_cfg=None)
    if "neck" in cfg and cfg.neck:
        cfg.neck.in_channels = [64]
    for head in ("rpn_head", "bbox_head"):
        if "in_channels" in cfg.get(head, {}):
            cfg[head].in_channels = 64
    if "roi_head" in cfg:
        cfg.roi_head.bbox_roi_extractor.out_channels = 64
        cfg.roi_head.bbox_head.update(in_channels=64, fc_out_channels=16)
    return cfg


def build(
    name: str,
    loss_we: dict | None = WE,
    eta: float = 0.5,
    frozen_backbone: bool = False,
    **changes: object,
):
    """A binary-class detector around one of ``NAMES``; ``changes`` are keys of the detector."""
    cfg = {**copy.deepcopy(config(name)), **changes}
    torch.manual_seed(0)
    MMLogger.get_current_instance().setLevel("WARNING")  # or each weight is logged
    with DefaultScope.overwrite_default_scope("mmdet"):
        model = MODELS.build(
            dict(
                type="wsol_mm.BinaryClassDetector",
                detector=cfg,
                eta=eta,
                loss_we=loss_we,
                frozen_backbone=frozen_backbone,
            )
        )
        model.init_weights()
    return model


def batch(*boxes_of_images: list, side: int = 96, **meta: object):
    """Random images with these boxes; None for an image that only the entropy sees."""
    samples = []
    for boxes in boxes_of_images:
        found = torch.tensor(boxes or [], dtype=torch.float32).reshape(-1, 4)
        shapes = ("img_shape", "pad_shape", "ori_shape", "batch_input_shape")
        info = {**dict.fromkeys(shapes, (side, side)), "scale_factor": (1.0, 1.0), **meta}
        sample = DetDataSample(metainfo={**info, "entropy_only": boxes is None})
        labels = torch.zeros(len(found), dtype=torch.int64)
        sample.gt_instances = InstanceData(bboxes=found, labels=labels)
        samples.append(sample)
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(samples), 3, side, side, generator=generator), samples


def losses_of(model, inputs, samples) -> dict:
    """Losses of one pass, with the same draws each time."""
    torch.manual_seed(2)
    with DefaultScope.overwrite_default_scope("mmdet"):
        return model.loss(inputs, copy.deepcopy(samples))


def as_float(value) -> float:
    """A loss, or the sum of its levels."""
    return sum(v.item() for v in value) if isinstance(value, list | tuple) else value.item()
