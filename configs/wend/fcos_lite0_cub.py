# WEND with FCOS and EfficientNet-Lite0 on CUB-200-2011 or a part of it; values of fcos_r50_cub.py.
_base_ = [
    "../_base_/models/fcos_r50_c5.py",
    "../_base_/models/efficientnet_lite0.py",
    "../_base_/datasets/cub_det.py",
    "../_base_/schedules/wend_fine_tune_24e.py",
    "../_base_/det_runtime.py",
    "../_base_/methods/wend.py",
]

model = dict(
    **_base_.pop("wend").cub,
    detector=dict(
        **_base_.pop("efficientnet_lite0").detector,
        bbox_head=dict(
            in_channels=320,
            feat_channels=256,
            strides=[16],
            # sides begin at exp(4.1) = 60 px, a quarter of the image: few steps do not get there from 1 px
            init_cfg=dict(
                type="Normal",
                layer="Conv2d",
                std=0.01,
                override=[
                    dict(type="Normal", name="conv_cls", std=0.01, bias_prob=0.01),
                    dict(type="Normal", name="conv_reg", std=0.01, bias=4.1),
                ],
            ),
        ),
    ),
)
train_dataloader = dict(batch_size=16)
