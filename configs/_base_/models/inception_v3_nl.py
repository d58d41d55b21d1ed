# Inception V3 cut after Mixed_6e (17x17 maps for 299 px images) with KG-CI-CAM's three non-local
# blocks. The code released with CI-CAM has none in this network.
_base_ = "./inception_v3_299_cam.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    layers=[
        dict(after="backbone.maxpool2", layer=dict(type="wsol_mm.NonLocalBlock", channels=192)),
        dict(after="backbone.Mixed_5d", layer=dict(type="wsol_mm.NonLocalBlock", channels=288)),
        dict(after="backbone.Mixed_6e", layer=dict(type="wsol_mm.NonLocalBlock", channels=768)),
    ],
    head=dict(type="wsol_mm.CombinationalCAMHead"),
)
optim_wrapper = dict(_delete_=True, type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-4))
