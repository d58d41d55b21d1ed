"""Test-time augmentation of any localizer's config: which views, from its own test pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config

DEFAULT_SCALES = (1.0, 0.75, 1.25)


def tta_pipeline(
    pipeline: Sequence[Mapping[str, Any]], scales: Sequence[float]
) -> list[dict[str, Any]]:
    """A test pipeline that gives each image at several scales, as it is and mirrored.

    The pipeline's last ``wsol_mm.Resize`` varies, from the original pixels; where a crop follows
    it, or there is none, what comes out is resized.

    Args:
        pipeline: Test pipeline of a localizer, which ends in ``wsol_mm.PackWSOLInputs``.
        scales: Factors of the input's sides. One of them is 1, the view that is evaluated; it comes
            first.

    Returns:
        The pipeline, with ``TestTimeAug`` in it.

    Raises:
        ValueError: No scale 1 or one that is not positive; or another pipeline.

    Example:
        >>> steps = [dict(type="LoadImageFromFile"), dict(type="wsol_mm.Resize", scale=(8, 6)),
        ...          dict(type="wsol_mm.PackWSOLInputs")]
        >>> for step in tta_pipeline(steps, (1, 1.5))[1]["transforms"]: print(step)
        [{'type': 'wsol_mm.Resize', 'scale': (8, 6)}, {'type': 'wsol_mm.Resize', 'scale': (12, 9)}]
        [{'type': 'wsol_mm.RandomFlip', 'prob': 0.0}, {'type': 'wsol_mm.RandomFlip', 'prob': 1.0}]
        [{'type': 'wsol_mm.PackWSOLInputs'}]
    """
    if 1 not in scales or min(scales) <= 0:
        raise ValueError(f"tta_scales={list(scales)}: expected positive numbers, one of them 1")
    kinds = [str(step["type"]).split(".")[-1] for step in pipeline]
    if kinds[-1:] != ["PackWSOLInputs"]:
        raise ValueError(
            f"--tta averages maps, and test_pipeline ends in {kinds[-1]}, not in "
            "wsol_mm.PackWSOLInputs: give tta_model and tta_pipeline in the config, as MMDetection "
            "does for boxes"
        )
    geometric = [i for i, kind in enumerate(kinds) if kind in ("Resize", "CenterCrop", "Pad")]
    last = geometric[-1] if geometric else None
    ordered = [1.0, *(scale for scale in dict.fromkeys(scales) if scale != 1)]
    if last is not None and "scale" in pipeline[last]:
        before, after = pipeline[:last], pipeline[last + 1 :]
        views = [
            {**pipeline[last], "scale": _scaled(pipeline[last]["scale"], scale)}
            for scale in ordered
        ]
    else:
        place = 1 if last is None else last + 1  # behind the reading of the file
        before, after = pipeline[:place], pipeline[place:]
        views = [{"type": "wsol_mm.Resize", "scale_factor": scale} for scale in ordered]
    flips = [{"type": "wsol_mm.RandomFlip", "prob": prob} for prob in (0.0, 1.0)]
    rest = [[dict(step)] for step in after]
    varied = {"type": "TestTimeAug", "transforms": [views, flips, *rest]}
    return [*(dict(step) for step in before), varied]


def use_tta(cfg: Config) -> None:
    """Test a config with test-time augmentation, as its threshold is chosen on val.

    ``tta_model`` and ``tta_pipeline`` of the config are obeyed, as MMPretrain's and MMDetection's
    tools do. Without them, maps and scores are averaged over ``tta_scales``, each with its mirror
    image.

    Args:
        cfg: Changed in place.

    Raises:
        ValueError: As :func:`tta_pipeline`.
    """
    model = cfg.get("tta_model", {"type": "wsol_mm.WSOLTTAModel"})
    for split in ("val", "test"):
        loader = cfg.get(f"{split}_dataloader")
        if loader is None:
            continue
        own = cfg.get("tta_pipeline")
        scales = cfg.get("tta_scales", DEFAULT_SCALES)
        loader.dataset.pipeline = own or tta_pipeline(loader.dataset.pipeline, scales)
    hook = {"type": "wsol_mm.TTAHook", "tta_cfg": model}
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), hook]


def _scaled(size: int | Sequence[int], scale: float) -> int | tuple[int, ...]:
    if isinstance(size, int):
        return round(size * scale)
    return tuple(round(side * scale) for side in size)
