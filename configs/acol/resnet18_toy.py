# ACoL with a narrow ResNet-18 on toy scenes. The threshold is the benchmark's default, not searched.
_base_ = "../cam/resnet18_toy.py"

model = dict(head=dict(type="wsol_mm.ACoLHead", threshold=0.7, hidden_channels=(64, 64)))
# At CAM's rate the two heads' convolutions jump out of their minimum when the rate is highest (val
# Top-1 Cls 83 % after 12 epochs, 100 % at this one; one seed each).
optim_wrapper = dict(optimizer=dict(lr=0.02))
