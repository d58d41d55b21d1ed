# VGG-16 with LeakyReLU, no last pooling, no convolution behind conv5_3, and four non-local blocks:
# 14x14 maps of 512 channels. The causal family's released network for CUB.
_base_ = "./vgg16_cam.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    backbone=dict(out_channels=None, negative_slope=0.2),
    # behind pool2, pool3, pool4 and conv5_3
    layers=[
        dict(after="backbone.features.5", layer=dict(type="wsol_mm.NonLocalBlock", channels=128)),
        dict(after="backbone.features.9", layer=dict(type="wsol_mm.NonLocalBlock", channels=256)),
        dict(after="backbone.features.13", layer=dict(type="wsol_mm.NonLocalBlock", channels=512)),
        dict(after="backbone.features.16", layer=dict(type="wsol_mm.NonLocalBlock", channels=512)),
    ],
    head=dict(type="wsol_mm.CombinationalCAMHead", in_channels=512),
)
optim_wrapper = dict(_delete_=True, type="OptimWrapper", optimizer=dict(type="Adam", lr=5e-4))
