# Hide-and-Seek's cells by network: the benchmark's search, as transcribed by third parties; another copy
# of it has grid 4 for VGG-16.
has = dict(
    vgg16=dict(type="wsol_mm.HideAndSeek", grid_size=65, drop_rate=0.47),
    inception_v3=dict(type="wsol_mm.HideAndSeek", grid_size=170, drop_rate=0.26),
    resnet50=dict(type="wsol_mm.HideAndSeek", grid_size=120, drop_rate=0.66),
    # half of 4x4 cells, not searched
    efficientnet_lite0=dict(type="wsol_mm.HideAndSeek", grid_size=56, drop_rate=0.5),
    # half of 6x6 cells
    resnet18_toy=dict(type="wsol_mm.HideAndSeek", grid_size=16, drop_rate=0.5),
)
