# The toy scenes' narrow ResNet-18 with three non-local blocks.
_base_ = "./resnet18_toy_cam.py"

model = dict(
    type="wsol_mm.WSOLClassifier",
    layers=[
        dict(after="backbone.layer2", layer=dict(type="wsol_mm.NonLocalBlock", channels=32)),
        dict(after="backbone.layer3", layer=dict(type="wsol_mm.NonLocalBlock", channels=64)),
        dict(after="backbone.layer4", layer=dict(type="wsol_mm.NonLocalBlock", channels=128)),
    ],
    head=dict(type="wsol_mm.CombinationalCAMHead"),
)
