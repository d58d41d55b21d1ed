"""The one way from a raw score map to boxes and masks: normalise, threshold, take components.

Records, pseudo boxes, pictures, refined masks and the localizer all go through :class:`BoxRule`, so
a number and the boxes behind it cannot differ. It stands in ``wsol_mm.functional`` (numpy and
OpenCV only), where every layer of the library may import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from wsol_mm.functional.boxes import mean_level, otsu_level, threshold_level, two_threshold_box
from wsol_mm.functional.cam import Normalization, normalize_map, to_grey, upsample_map
from wsol_mm.functional.component_tree import component_boxes
from wsol_mm.functional.masks import component_masks

__all__ = ["ORACLE", "BoxRule", "Components", "FrameMap", "Source"]

Source = Literal["oracle", "val", "fixed", "otsu", "mean"]
Components = Literal["largest", "all", "two_thresholds"]

_WORDS = ("oracle", "val", "otsu", "mean")


class FrameMap(NamedTuple):
    """A map at the frame's size, ready for a threshold.

    Attributes:
        values: (H, W) float64 in [0, 1].
        grey: (H, W) uint8, its 256 levels.
        finite: Whether the raw map was free of NaN and infinities; if not, all values are 0.
    """

    values: NDArray[np.float64]
    grey: NDArray[np.uint8]
    finite: bool

    @property
    def blank(self) -> bool:
        """Whether nothing stands out, so that no threshold can find an object."""
        return not self.grey.any()


@dataclass(frozen=True, kw_only=True)
class BoxRule:
    """How a raw score map becomes boxes.

    Attributes:
        threshold: A share of the map's own maximum in [0, 1); ``otsu`` or ``mean`` (chosen on each
            image); ``oracle`` or ``val`` (chosen on a whole split; boxes exist after :meth:`at`).
        source: Who chose the threshold: ``fixed`` or ``val`` for a number, the word itself else.
        normalization: ``minmax``, ``max``, ``pas`` or ``ivr``
            (:func:`wsol_mm.functional.cam.normalize_map`); None for maps that already have the
            frame's size and float64 values in [0, 1].
        percentile: Percentile of ``pas`` and ``ivr``.
        components: ``largest`` (by contour area), ``all`` 8-connected ones, or ``two_thresholds``,
            the single box of :func:`wsol_mm.functional.boxes.two_threshold_box`, which has its own
            upsampling and normalisation and takes a number as threshold.

    Raises:
        ValueError: A value has no meaning, or two of them exclude each other.

    Examples:
        >>> rule = BoxRule.parse("0.5", components="all")
        >>> rule.threshold, rule.source
        (0.5, 'fixed')
        >>> score_map = np.zeros((4, 4), np.float32)
        >>> score_map[1:3, 2:], score_map[0, 0] = 1, 0.8
        >>> rule.apply(score_map).tolist()
        [[0.0, 0.0, 1.0, 1.0], [2.0, 1.0, 4.0, 3.0]]
        >>> BoxRule.parse("val").at(0.25, "val").source
        'val'
    """

    threshold: float | Literal["oracle", "val", "otsu", "mean"]
    source: Source | None = None
    normalization: Normalization | None = "minmax"
    percentile: float | None = None
    components: Components = "largest"

    def __post_init__(self) -> None:
        """Refuse what has no meaning, and name the source of a word."""
        word, number = self.threshold in _WORDS, self.threshold
        if not word and not _is_share(number):
            raise ValueError(
                f"threshold={number!r}: expected a number in [0, 1) or one of {_WORDS}"
            )
        source = self.source or (self.threshold if word else "fixed")
        if source not in ((self.threshold,) if word else ("fixed", "val", "oracle")):
            raise ValueError(f"source={self.source!r} does not fit threshold={self.threshold!r}")
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "threshold", number if word else float(number))
        if self.components not in get_args(Components):
            raise ValueError(
                f"components={self.components!r}: expected one of {get_args(Components)}"
            )
        if self.normalization is not None:
            normalize_map(np.eye(2), self.normalization, percentile=self.percentile)
        elif self.percentile is not None:
            raise ValueError("normalization=None takes no percentile")
        if self.components == "two_thresholds":
            if self.normalization != "minmax":
                raise ValueError(
                    "components='two_thresholds' needs normalization='minmax', got "
                    f"{self.normalization!r}"
                )
            if self.threshold in ("otsu", "mean"):
                raise ValueError(
                    f"components='two_thresholds' needs a number, got {self.threshold!r}"
                )

    @classmethod
    def parse(
        cls,
        threshold: Any,
        *,
        words: Sequence[str] = _WORDS,
        key: str = "threshold",
        **fields: Any,
    ) -> BoxRule:
        """Read the threshold of a command line or config.

        Args:
            threshold: A number or its text, a word, or ``dict(value=..., source='val')``.
            words: Words that have a meaning where it stands.
            key: Its name, for messages.
            fields: Other attributes.

        Returns:
            The rule.

        Raises:
            ValueError: The threshold is none of these, or a field has no meaning.

        Examples:
            >>> BoxRule.parse(dict(value=0.3, source="val")).source
            'val'
            >>> BoxRule.parse("oracle", words=("otsu",), key="--threshold")
            Traceback (most recent call last):
            ValueError: --threshold='oracle': expected otsu or a number in [0, 1)
        """
        value, source = threshold, None
        if isinstance(threshold, Mapping):
            if set(threshold) != {"value", "source"} or threshold["source"] not in ("val", "fixed"):
                raise ValueError(
                    f"{key}={dict(threshold)}: expected dict(value=..., source='val' or 'fixed')"
                )
            value, source = threshold["value"], threshold["source"]
        if isinstance(value, str) and value not in words:
            try:
                value = float(value)
            except ValueError:
                value = None
        if not (isinstance(value, str) or _is_share(value)):
            choices = ", ".join(words) + " or " if words else ""
            raise ValueError(f"{key}={threshold!r}: expected {choices}a number in [0, 1)")
        return cls(threshold=value, source=source, **fields)

    def at(self, threshold: float, source: Source) -> BoxRule:
        """The same rule at a threshold that has been chosen since."""
        return replace(self, threshold=threshold, source=source)

    def to_dict(self) -> dict[str, Any]:
        """All attributes, for a stamp; ``BoxRule(**stamp)`` is the rule again."""
        return asdict(self)

    def frame(
        self, score_map: NDArray[np.floating], size: tuple[int, int] | None = None
    ) -> FrameMap:
        """Upsample and normalise a raw map, and cut it to 256 grey levels.

        Args:
            score_map: (h, w) raw map, any floating dtype.
            size: (width, height) of the frame in pixels; the map's own if None.

        Returns:
            The map in the frame; zeros where the raw one was not finite.

        Raises:
            ValueError: Not a map, or, without normalisation, one of another size or with values
                outside [0, 1].
            TypeError: Without normalisation, a map that is not float64.
        """
        values = np.asarray(score_map)
        size = (values.shape[-1], values.shape[0]) if size is None else size
        if not np.isfinite(values).all():
            zeros = np.zeros((size[1], size[0]))
            return FrameMap(zeros, zeros.astype(np.uint8), False)
        if self.normalization is not None:
            upsampled = upsample_map(values, size)
            values = normalize_map(upsampled, self.normalization, percentile=self.percentile)
        elif values.dtype != np.float64:
            raise TypeError(
                f"a map that is not normalised must be float64, got {values.dtype}: name a "
                "normalization (--normalization minmax) to have it upsampled and normalised"
            )
        elif values.shape != (size[1], size[0]):
            raise ValueError(
                f"a map that is not normalised must be {size[0]} x {size[1]}, got {values.shape}: "
                "name a normalization to have it upsampled and normalised"
            )
        return FrameMap(values, to_grey(values), True)

    def level(self, frame: FrameMap) -> int:
        """Grey level of the mask ``frame.grey > level``, 0 to 254.

        Raises:
            ValueError: The threshold is chosen on a whole split.
        """
        if self.threshold == "otsu":
            return otsu_level(frame.grey)
        if self.threshold == "mean":
            return mean_level(frame.values)
        return threshold_level(frame.grey, self._number())

    def apply(
        self, score_map: NDArray[np.floating], size: tuple[int, int] | None = None
    ) -> NDArray[np.float64]:
        """Boxes of one raw map.

        Args:
            score_map: (h, w) raw map, any floating dtype.
            size: (width, height) of the frame in pixels; the map's own if None.

        Returns:
            (m, 4) float64 x0, y0, x1, y1 in the frame, exclusive end, in raster order; m = 0 for a
            map without contrast or with values that are not finite.

        Raises:
            ValueError: The threshold is chosen on a whole split; or see :meth:`frame`.
        """
        if self.components == "two_thresholds":
            own = (score_map.shape[1], score_map.shape[0])
            if not np.isfinite(score_map).all():
                return np.zeros((0, 4))
            return two_threshold_box(score_map, size=size or own, threshold=self._number())
        frame = self.frame(score_map, size)
        boxes = component_boxes(frame.grey, self.level(frame), largest=self.components == "largest")
        return boxes.astype(np.float64)

    def masks(
        self, score_map: NDArray[np.floating], size: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Masks of the objects whose boxes :meth:`apply` gives, and these boxes.

        Args:
            score_map: (h, w) raw map, any floating dtype.
            size: (width, height) of the frame in pixels; the map's own if None.

        Returns:
            (m, H, W) bool and (m, 4) float64 boxes.

        Raises:
            ValueError: ``two_thresholds``, which has a box but no mask; or as :meth:`apply`.
        """
        if self.components == "two_thresholds":
            raise ValueError("components='two_thresholds' gives boxes, not masks")
        frame = self.frame(score_map, size)
        masks, boxes = component_masks(
            frame.grey, self.level(frame), largest=self.components == "largest"
        )
        return masks, boxes.astype(np.float64)

    def _number(self) -> float:
        if isinstance(self.threshold, str):
            raise ValueError(
                f"threshold {self.threshold!r} is chosen on a whole split: BoxRule.at takes the "
                "chosen one"
            )
        return self.threshold


ORACLE = BoxRule(threshold="oracle")


def _is_share(value: Any) -> bool:
    """A number in [0, 1)."""
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return bool(number and 0 <= value < 1)
