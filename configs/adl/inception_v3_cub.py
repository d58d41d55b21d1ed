# ADL with Inception V3 on CUB-200-2011.
# Rate and settings: the benchmark's search, as transcribed by third parties.
_base_ = "../cam/inception_v3_cub.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    layers=[
        dict(after=name, layer=dict(type="wsol_mm.ADL", drop_rate=0.69, threshold=0.86))
        for name in ("backbone.Mixed_5d", "backbone.Mixed_6e", "head.hidden.3")
    ],
    head=dict(dropout=0.0),  # as the benchmark has it with ADL
)
optim_wrapper = dict(optimizer=dict(lr=3.8655054e-4))
