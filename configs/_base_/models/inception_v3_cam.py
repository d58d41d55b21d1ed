# The benchmark's Inception V3 for 224 px images: 28x28 maps, two 3x3 convolutions with dropout
# before a 1x1 classifier whose class channel, bias included, is the map.
_base_ = ["mmpretrain::_base_/models/inception_v3.py", "../schedules/cam_sgd.py"]

model = dict(
    backbone=dict(
        _delete_=True,
        type="wsol_mm.InceptionV3Maps",
        layout="dense",
        init_cfg=dict(
            type="Pretrained",
            checkpoint="https://mmassets.onedl.ai/mmclassification/v0/inception-v3/inception-v3_3rdparty_8xb32_in1k_20220615-dcd4d910.pth",
            prefix="backbone.",
        ),
    ),
    head=dict(
        type="wsol_mm.CAMHead",
        num_classes=1000,
        in_channels=768,
        hidden_channels=(1024, 1024),
        dropout=0.5,
        map_bias=True,
    ),
)
optim_wrapper = dict(
    optimizer=dict(weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10))),
)
