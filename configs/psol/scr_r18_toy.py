# Single-class regression with a narrow ResNet-18 on 96 px toy scenes, from random weights.
_base_ = [
    "../_base_/models/scr_r50.py",
    "../_base_/datasets/toy_det.py",
    "../_base_/schedules/wend_toy_adam_24e.py",
    "../_base_/det_runtime.py",
]

model = dict(
    detector=dict(
        # the layers of configs/cam/resnet18_toy.py, but 3x3 cells of 32 px: pooling forgets places, and
        # only the zeros around a map tell a convolution where it is. On 12x12 cells places came far slower.
        backbone=dict(
            _delete_=True,
            type="mmpretrain.ResNet",
            depth=18,
            base_channels=16,
            strides=(1, 2, 2, 2),
        ),
        bbox_head=dict(in_channels=128),
    ),
)
# PSOL's crops, milder for images this small
train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(type="mmdet.RandomCrop", crop_type="relative_range", crop_size=(0.7, 0.7)),
    *_base_.train_pipeline[2:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
