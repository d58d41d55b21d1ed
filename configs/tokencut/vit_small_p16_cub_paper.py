# The authors' test on CUB: shorter side 224, aspect kept, sides padded to multiples of 16 with what
# becomes 0; TokenCut's own mask; one ground-truth box.
_base_ = "./vit_small_p16_cub.py"

model = dict(head=dict(map_kind="mask"))
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="wsol_mm.Resize", scale=(100_000, 224), keep_ratio=True, interpolation="bicubic"),
    dict(type="wsol_mm.Pad", size_divisor=16, pad_val=dict(img=(104, 116, 124))),
    *_base_.test_pipeline[2:],
]
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(batch_size=1, dataset=dict(pipeline=test_pipeline))
val_evaluator = dict(protocol="tokencut")
test_evaluator = dict(protocol="tokencut")
