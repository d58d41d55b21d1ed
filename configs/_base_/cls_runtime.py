# MMPretrain's runtime with exact resume, safe checkpoints and pictures of localizations.
# Data loaders must not keep their workers (persistent_workers=False), see wsol_mm.SeedHook.
_base_ = ["mmpretrain::_base_/default_runtime.py"]

default_hooks = dict(
    checkpoint=dict(
        type="wsol_mm.AtomicCheckpointHook",
        max_keep_ckpts=2,
        save_best="wsol/max_box_acc_v2",
        rule="greater",
    ),
    seed=dict(type="wsol_mm.SeedHook"),
    strict_checkpoint=dict(type="wsol_mm.StrictCheckpointHook"),
    visualization=dict(
        type="wsol_mm.WSOLVisualizationHook",
        enable=True,  # one val or test image in 500
    ),
)
randomness = dict(seed=0)
vis_backends = [dict(type="LocalVisBackend"), dict(type="wsol_mm.OptionalTensorboard")]
visualizer = dict(vis_backends=vis_backends)
