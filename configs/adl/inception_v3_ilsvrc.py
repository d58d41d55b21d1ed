# ADL with Inception V3 on ILSVRC.
# Default, not searched: the settings of inception_v3_cub.py at CAM's learning rate for this data set.
_base_ = "../cam/inception_v3_ilsvrc.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    layers=[
        dict(after=name, layer=dict(type="wsol_mm.ADL", drop_rate=0.69, threshold=0.86))
        for name in ("backbone.Mixed_5d", "backbone.Mixed_6e", "head.hidden.3")
    ],
    head=dict(dropout=0.0),  # as the benchmark has it with ADL
)
