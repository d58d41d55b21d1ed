"""The mathematics: pure functions on arrays and tensors, without state, registry or toolbox.

Everything is exported by name and imported when it is used for the first time::

    from wsol_mm.functional import BoxRule, compute_localization, normalize_map

A function that shares its module's name (``weighted_entropy``, ``superpixels``,
``attention_dropout``, ``box_confidence``) is imported from that module.
"""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "adversarial_erasing": (
        "erase_salient",
        "merge_maps",
        "minmax_maps",
    ),
    "alignment": (
        "attentive_drop_mask",
        "norm_loss",
        "norm_map",
        "norm_regions",
        "normalized_norm_map",
        "similarity_loss",
        "similarity_maps",
        "similarity_regions",
    ),
    "arm": (
        "ARMSettings",
        "affinity",
        "neighbour_offsets",
        "refine_batch",
        "refine_maps",
    ),
    "assigning": (
        "assign_by_iou",
        "assign_points",
        "match_queries",
        "pad_rows",
        "sample_priors",
    ),
    "attention_dropout": ("attention_mask",),
    "batch_norm": ("batch_norm_clamp",),
    "bootstrap": (
        "bootstrap_intervals",
        "resample_counts",
    ),
    "box_agreement": (
        "Agreement",
        "agreement",
    ),
    "box_rule": (
        "BoxRule",
        "FrameMap",
    ),
    "boxes": (
        "box_iou",
        "mean_level",
        "otsu_level",
        "threshold_level",
        "two_threshold_box",
    ),
    "c2am": (
        "border_votes",
        "cosine_matrix",
        "disentangle",
        "pull_loss",
        "push_loss",
        "rank_weights",
    ),
    "cam": (
        "class_activation_maps",
        "normalize_map",
        "to_grey",
        "upsample_map",
    ),
    "class_map_combination": (
        "combination_weights",
        "combine_class_maps",
    ),
    "component_tree": (
        "LevelCurves",
        "best_iou_curves",
        "component_boxes",
        "level_curves",
    ),
    "context_pool": (
        "centre_prior",
        "enhance",
        "map_correlation",
        "relative_change",
        "resize_maps",
        "standardize_maps",
        "sum_by_class",
        "update_pool",
    ),
    "ddt": (
        "Extent",
        "Moments",
        "ddt_maps",
        "oriented",
        "principal_component",
        "update_extent",
        "update_moments",
    ),
    "depthwise": ("depthwise_conv2d",),
    "distillation": (
        "activation_guidance",
        "draw_routes",
        "logits_guidance",
    ),
    "geometry": (
        "inside_boxes",
        "to_original_frame",
        "transform_boxes",
    ),
    "image_record": (
        "BoxRecord",
        "ImageRecord",
        "MapRecord",
    ),
    "localization": (
        "Localization",
        "box_columns",
        "check_records",
        "classification_columns",
        "compute_localization",
        "map_columns",
        "trivial_columns",
    ),
    "mask_iou": ("mask_ious",),
    "masking": (
        "area_loss",
        "difference_scores",
        "foreground_masks",
    ),
    "masks": (
        "component_masks",
        "to_original_mask",
    ),
    "matched_counts": (
        "boxes_at_mean",
        "top_boxes",
    ),
    "position_attention": ("gather_positions",),
    "pxap": (
        "nearest_indices",
        "pxap_compute",
        "pxap_update",
        "threshold_grid",
    ),
    "rates": (
        "accuracy",
        "iou_key",
        "is_hit",
        "threshold_curve",
        "threshold_levels",
        "top_labels",
        "trivial_update",
    ),
    "sd_cam": (
        "distillation_divergence",
        "orientations",
        "seed_regions",
    ),
    "self_produced_guidance": (
        "guidance_loss",
        "guidance_mask",
    ),
    "sgrm": (
        "Reprediction",
        "joint_loss",
        "repredict",
        "repredict_batch",
    ),
    "sgrm_labels": (
        "Labels",
        "SGRMSettings",
        "image_labels",
        "reliable_labels",
    ),
    "superpixels": (
        "majority_vote",
        "superpixel_means",
    ),
    "tokencut": (
        "Cut",
        "Eigenvectors",
        "bipartition",
        "dense_eigenvector",
        "second_eigenvectors",
        "token_graphs",
    ),
    "tokens": (
        "class_attention",
        "patch_keys",
        "patch_map",
        "square_grid",
    ),
    "view_averaging": (
        "average_maps",
        "cubic_weights",
        "maps_in_frame",
    ),
    "weighted_entropy": (
        "check_weighted_entropy",
        "contributing",
        "modulating_factor",
    ),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'wsol_mm.functional' has no attribute {name!r}")
    return getattr(import_module(f"wsol_mm.functional.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
