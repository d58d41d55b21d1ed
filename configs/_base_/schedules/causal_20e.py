# The causal family's schedule on ILSVRC: 20 epochs, a tenth of the rate from the 11th on.
_base_ = "./causal_100e.py"

param_scheduler = [
    dict(type="PolyLR", power=0.9, eta_min=0, by_epoch=True, end=21),
    dict(type="StepLR", step_size=10, gamma=0.1, by_epoch=True),
]
train_cfg = dict(max_epochs=20)
