"""Pixels and masks from files, compared with what the lists say of them."""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from numpy.typing import NDArray

from wsol_mm.datasets.lists import box_problem
from wsol_mm.datasets.mask_file import Mask, decode_mask
from wsol_mm.datasets.pixels import decode_image
from wsol_mm.datasets.warn_once import WarnOnce
from wsol_mm.registry import TRANSFORMS

# Width over height of a mask may differ from its image's by rounding, OpenImages' masks being
# stored at another resolution than their images.
ASPECT_TOLERANCE = 0.02


def size_problem(size: tuple[int, int], listed: tuple[int, int], turned: bool) -> str | None:
    """Say how the size of an image differs from the listed one, or None.

    Args:
        size: Width and height as a viewer shows the image.
        listed: Width and height that the list gives.
        turned: Whether its EXIF tag turned it.

    Example:
        >>> size_problem((30, 40), (40, 30), True).partition(":")[0]
        'its list says 40x30, the size before its EXIF tag turns it to 30x40'
    """
    if size == listed:
        return None
    width, height = size
    if turned and listed == (height, width):
        return (
            f"its list says {height}x{width}, the size before its EXIF tag turns it to "
            f"{width}x{height}: give sizes and boxes as a viewer shows the image, or strip the tag"
        )
    return (
        f"is {width}x{height} px, its list says {listed[0]}x{listed[1]}: correct the list, or take "
        "the image that it was made for"
    )


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read ``img_path`` into ``img`` as a viewer shows it (:mod:`wsol_mm.datasets.pixels`).

    What the list says of the image is compared with it: ``width`` and ``height``, and whether the
    boxes of ``instances`` lie inside. Of what is unclear, an image with boxes that its EXIF tag
    turns and whose size the list does not give, or one of more than 8 bits, the first is warned of.

    The data sets put it in the place of MMCV's ``LoadImageFromFile``, which gives the same pixels
    for plain files of 8 bits.

    Raises:
        ValueError: Sizes differ, a box lies outside, or the file cannot be read.
    """

    def __init__(self) -> None:
        self.warn_turned = WarnOnce()
        self.warn_deep = WarnOnce()

    def transform(self, results: dict) -> dict:
        """Add ``img``, ``img_shape`` and ``ori_shape``."""
        path = results["img_path"]
        image = decode_image(path)
        height, width = image.bgr.shape[:2]
        listed = (results.get("width"), results.get("height"))
        boxes = [instance["bbox"] for instance in results.get("instances") or ()]
        problems = [box_problem(box, (width, height)) for box in boxes]
        if None not in listed:
            problems.insert(0, size_problem((width, height), listed, image.turned))
        for problem in filter(None, problems):
            raise ValueError(f"{path}: {problem}")
        if image.turned and boxes and None in listed:
            self.warn_turned(
                f"{path}: its EXIF tag turns it and is obeyed; its boxes are taken as those of the "
                "image that a viewer shows"
            )
        if image.bits > 8:
            self.warn_deep(
                f"{path}: has values of {image.bits} bits; {2**image.bits - 1} becomes white"
            )
        shape = image.bgr.shape[:2]
        return {**results, "img": image.bgr, "img_shape": shape, "ori_shape": shape}


def own_reader(step: Any) -> Any:
    """A step of a pipeline with :class:`LoadImage` for MMCV's plain ``LoadImageFromFile``.

    Steps within steps are reached; one with options of its own is left alone.

    Example:
        >>> own_reader(dict(type="X", transforms=[dict(type="LoadImageFromFile")]))
        {'type': 'X', 'transforms': [{'type': 'wsol_mm.LoadImage'}]}
    """
    if isinstance(step, (list, tuple)):
        return [own_reader(inner) for inner in step]
    if not isinstance(step, dict):
        return step
    if set(step) == {"type"} and str(step["type"]).split(".")[-1] == "LoadImageFromFile":
        return {"type": "wsol_mm.LoadImage"}
    if "transforms" in step:
        return {**step, "transforms": own_reader(step["transforms"])}
    return step


def read_mask(path: str, shape: tuple[int, int]) -> Mask:
    """Read a mask of an image.

    Args:
        path: The file; :func:`wsol_mm.datasets.mask_file.decode_mask` says what its values mean.
        shape: (height, width) of the image it belongs to.

    Returns:
        The mask at its own resolution.

    Raises:
        FileNotFoundError: When the file is missing.
        ValueError: When it is no mask, or has another shape than the image it belongs to.
    """
    mask = decode_mask(path)
    height, width = mask.object.shape
    if abs(width * shape[0] / (height * shape[1]) - 1) > ASPECT_TOLERANCE:
        raise ValueError(
            f"mask {path} is {width}x{height} but its image is {shape[1]}x{shape[0]}: masks must "
            "have the shape of the original image"
        )
    return mask


@TRANSFORMS.register_module()
class LoadMasks(BaseTransform):
    """Read ``mask_paths`` and ``ignore_path`` into ``gt_mask`` and ``ignore_mask``.

    Instances are joined by OR; a pixel of any instance is never ignored, a void one always is.
    Items without ``mask_paths`` pass through unchanged, so one pipeline serves data sets with and
    without masks. Both masks are (H, W) bool and cover the whole original image, at the masks' own
    resolution. The first file whose values are unclear is warned of.

    Raises:
        ValueError: When the masks of an image differ in size.
    """

    def __init__(self) -> None:
        self.warn = WarnOnce()

    def transform(self, results: dict) -> dict:
        """Add ``gt_mask`` and ``ignore_mask`` where the data set has masks."""
        paths = results.get("mask_paths")
        if not paths:
            return results
        ignore = results.get("ignore_path")
        every = [*paths, *filter(None, [ignore])]
        masks = [read_mask(path, results["ori_shape"]) for path in every]
        sizes = {mask.object.shape for mask in masks}
        if len(sizes) > 1:
            raise ValueError(
                f"{results['img_path']}: its masks differ in size ({sorted(sizes)}); check "
                f"{paths[0]} and the files beside it"
            )
        for path, mask in zip(every, masks, strict=True):
            if mask.note:
                self.warn(f"mask {path}: {mask.note}")
        own = masks[: len(paths)]
        foreground = _union([mask.object for mask in own])
        ignored = [mask.void for mask in own] + [masks[-1].object] * bool(ignore)
        results["gt_mask"] = foreground
        results["ignore_mask"] = _union(ignored) & ~foreground
        return results


def _union(regions: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.logical_or.reduce(regions)
