# The whole of LCAR on ILSVRC, where the paper asks more of a superpixel to be the object (gamma_h2).
_base_ = "./sd_cam_vit_small_p16_ilsvrc.py"

model = dict(
    refiners=[
        dict(type="wsol_mm.ARM"),
        dict(type="wsol_mm.SeedSign"),
        dict(type="wsol_mm.SGRM", superpixel_high=0.6),
    ]
)
