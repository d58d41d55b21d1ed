# LCAR's refiners behind SD-CAM: ARM, then SGRM, whose defaults are the paper's on CUB.
lcar = dict(
    refiners=[
        dict(type="wsol_mm.ARM"),
        dict(type="wsol_mm.SeedSign"),
        dict(type="wsol_mm.SGRM"),
    ]
)
