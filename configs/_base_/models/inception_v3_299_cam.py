# Inception V3 with its own strides, cut after Mixed_6e: 17x17 maps for 299 px images and a plain
# linear classifier on them, the network of the causal (CI-CAM) family.
_base_ = "./inception_v3_cam.py"

model = dict(
    backbone=dict(layout="original"),
    head=dict(hidden_channels=(), dropout=0.0, map_bias=False),
)
