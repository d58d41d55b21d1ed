# ResNet-50 without the last stage's stride (14x14 maps) and three non-local blocks. KG-CI-CAM says
# "three" and released no such network: their places are ours.
_base_ = "./resnet50_cam.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    layers=[
        dict(after="backbone.layer2", layer=dict(type="wsol_mm.NonLocalBlock", channels=512)),
        dict(after="backbone.layer3", layer=dict(type="wsol_mm.NonLocalBlock", channels=1024)),
        dict(after="backbone.layer4", layer=dict(type="wsol_mm.NonLocalBlock", channels=2048)),
    ],
    head=dict(type="wsol_mm.CombinationalCAMHead"),
)
optim_wrapper = dict(_delete_=True, type="OptimWrapper", optimizer=dict(type="Adam", lr=1.25e-4))
