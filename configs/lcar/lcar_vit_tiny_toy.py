# The whole of LCAR on toy scenes: test it with the checkpoint of sd_cam_vit_tiny_toy.
_base_ = "./sd_cam_vit_tiny_toy.py"

model = dict(
    refiners=[
        dict(type="wsol_mm.ARM"),
        dict(type="wsol_mm.SeedSign"),
        dict(type="wsol_mm.SGRM"),
    ]
)
