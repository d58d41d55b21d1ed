"""Hooks and helpers around mmengine's Runner: exact resume, safe checkpoints, CPU launching."""

from wsol_mm.engine.checkpoint_file import (
    UnavailableCheckpointError,
    UntrustedCheckpointError,
    read_checkpoint,
)
from wsol_mm.engine.checkpoint_hook import AtomicCheckpointHook
from wsol_mm.engine.class_check import check_names, check_sizes, data_classes
from wsol_mm.engine.fit_ddt_hook import FitDDTHook
from wsol_mm.engine.grouped_parameters import GroupedOptimWrapperConstructor, merge_groups
from wsol_mm.engine.launch import prepare_launch
from wsol_mm.engine.oracle_context_hook import OracleContextHook
from wsol_mm.engine.package_checkpoint import load_from_package
from wsol_mm.engine.polarity_vote_hook import PolarityVoteHook
from wsol_mm.engine.seed_hook import SeedHook, seed_everything, seed_worker
from wsol_mm.engine.strict_checkpoint import (
    StrictCheckpointHook,
    fetch_checkpoint,
    load_checkpoint,
    use_strict_checkpoints,
)
from wsol_mm.engine.token_cache import fill_token_cache, weights_sha256
from wsol_mm.engine.token_cache_hook import TokenCacheHook
from wsol_mm.engine.tta_hook import TTAHook
from wsol_mm.engine.warm_stage_hook import WarmStageHook
from wsol_mm.engine.whole_checkpoint import (
    CheckpointError,
    UnfitCheckpointError,
    load_whole,
)

__all__ = [
    "AtomicCheckpointHook",
    "CheckpointError",
    "FitDDTHook",
    "GroupedOptimWrapperConstructor",
    "OracleContextHook",
    "PolarityVoteHook",
    "SeedHook",
    "StrictCheckpointHook",
    "TTAHook",
    "TokenCacheHook",
    "UnavailableCheckpointError",
    "UnfitCheckpointError",
    "UntrustedCheckpointError",
    "WarmStageHook",
    "check_names",
    "check_sizes",
    "data_classes",
    "fetch_checkpoint",
    "fill_token_cache",
    "load_checkpoint",
    "load_from_package",
    "load_whole",
    "merge_groups",
    "prepare_launch",
    "read_checkpoint",
    "seed_everything",
    "seed_worker",
    "use_strict_checkpoints",
    "weights_sha256",
]
