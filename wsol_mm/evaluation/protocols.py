"""Named evaluation protocols: how boxes and masks become right or wrong.

A protocol is data. To add an author's protocol, add one entry to ``PROTOCOLS`` and a
hand-computed test that pins it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_type_hints

from wsol_mm.functional.box_rule import BoxRule


@dataclass(frozen=True)
class Protocol:
    """What decides whether a box is right.

    Attributes:
        name: Name under which numbers are printed.
        frame: Side in pixels of the square frame that maps are upsampled to and boxes are
            compared in. It covers exactly what the network saw.
        rounding: ``truncate`` cuts box coordinates to integers in the frame, ``exact`` keeps them.
        plus_one: Widths and heights count one pixel more, as if ends were inclusive, and box ends
            stop at the last pixel (of the original image for ground truth, of the frame for maps).
        match: A box is right when its IoU is ``ge`` or ``gt`` the wanted one.
        average: ``micro`` over images, ``macro`` over the means of the classes.
        geometry: ``full`` compares with the whole ground truth, also where a crop cut it off;
            ``input`` clips the ground truth to what the network saw.
        ground_truth: ``all`` boxes of the image, any of which may be met, or the ``first``.
        boxes: How a map becomes boxes. ``levels``: one set for every grey level, from which the
            metric takes a threshold's. ``two_thresholds``: a single box, that of
            :func:`wsol_mm.functional.boxes.two_threshold_box`, at ``threshold``; numbers over
            thresholds do not exist then.
        threshold: A share of the map's maximum in [0, 1): of ``two_thresholds``, or of the boxes
            that GT-known looks at where the protocol leaves no choice; None for the metric's.
        normalization: Of maps; ``any`` leaves it to the metric.
        compare: ``frame``, or ``image``: the single box is scaled to the original image, cut to
            integers there and compared with the ground truth as it is annotated.
        ranking: View of the image that ranks the classes: the ``same_view`` that the map is of, or
            a ``second_view`` (:class:`wsol_mm.TwoPassClassifier`), which also gives the Top-k.
        comparable: Whether numbers may stand beside the published tables of the benchmark.
        note: Where the protocol comes from and what to know about it.
    """

    name: str
    frame: int = 224
    rounding: Literal["truncate", "exact"] = "truncate"
    plus_one: bool = True
    match: Literal["ge", "gt"] = "ge"
    average: Literal["micro", "macro"] = "micro"
    geometry: Literal["full", "input"] = "full"
    ground_truth: Literal["all", "first"] = "all"
    boxes: Literal["levels", "two_thresholds"] = "levels"
    threshold: float | None = None
    normalization: Literal["any", "minmax", "max"] = "any"
    compare: Literal["frame", "image"] = "frame"
    ranking: Literal["same_view", "second_view"] = "same_view"
    comparable: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse values outside the declared choices."""
        for key, hint in get_type_hints(type(self)).items():
            value, choices = getattr(self, key), get_args(hint)
            if key == "threshold":
                if value is not None and not (type(value) is float and 0 <= value < 1):
                    raise ValueError(f"protocol key threshold={value}: expected a value in [0, 1)")
            elif choices and value not in choices:
                raise ValueError(f"protocol key {key}={value!r}: expected one of {choices}")
            elif not choices and type(value) is not hint:
                raise ValueError(f"protocol key {key}={value!r}: expected {hint.__name__}")
        if self.frame < 1:
            raise ValueError(f"protocol key frame={self.frame}: expected a positive size")
        if self.boxes == "levels" and self.compare == "image":
            raise ValueError("protocol key compare='image' needs boxes='two_thresholds'")
        if self.boxes == "two_thresholds" and self.threshold is None:
            raise ValueError("protocol key boxes='two_thresholds' needs a threshold")

    def to_dict(self) -> dict[str, Any]:
        """All keys, for the stamp beside a number."""
        return asdict(self)

    @classmethod
    def of_stamp(cls, stamp: Mapping[str, Any]) -> "Protocol":
        """The protocol of a number, from the stamp beside it."""
        keys = dict(stamp["protocol"])
        if "normalization" not in keys:  # version 0.1 knew neither it nor thresholds of levels
            threshold = keys.pop("cut", keys.pop("threshold", 0.0))
            keys["threshold"] = threshold if keys.get("boxes") == "two_thresholds" else None
        return cls(**keys)

    def box_rule(self, rule: BoxRule) -> BoxRule:
        """A metric's rule under this protocol, which may leave it no choice.

        Raises:
            ValueError: The metric asks for another threshold or normalisation than the protocol's.
        """
        if self.boxes == "levels" and self.threshold is not None:
            if rule.threshold not in ("oracle", self.threshold):
                raise ValueError(
                    f"protocol {self.name!r} has the threshold {self.threshold}, not "
                    f"{rule.threshold}: leave the metric's at 'oracle'"
                )
            rule = rule.at(self.threshold, "fixed")
        if self.normalization != "any":
            if rule.normalization not in ("minmax", self.normalization):
                raise ValueError(
                    f"protocol {self.name!r} normalises by {self.normalization!r}, not "
                    f"{rule.normalization!r}: leave the metric's at 'minmax'"
                )
            rule = replace(rule, normalization=self.normalization)
        return rule


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="wsolevaluation",
            comparable=True,
            note="clovaai/wsolevaluation, bit for bit; inputs are squashed to the frame",
        ),
        Protocol(
            name="original",
            rounding="exact",
            plus_one=False,
            note="plain IoU in the original image: no rounding, exclusive ends. IoU does not "
            "change under the affine map to the frame, so comparing there is the same",
        ),
        Protocol(
            name="cam_2016",
            threshold=0.2,
            normalization="max",
            note="the rule of Zhou et al., CVPR 2016: the largest component above 20 % of the "
            "map's maximum, negative values cut, no threshold chosen on any split. Boxes are "
            "compared as by wsolevaluation; numbers named max_box_acc take their best threshold "
            "here too, by definition",
        ),
        Protocol(
            name="ci_cam",
            boxes="two_thresholds",
            threshold=0.0,
            compare="image",
            note="CI-CAM's test on the full frame: one box per image by two thresholds (0; the "
            "paper chose it on its test set). The released code ranks classes by a second pass "
            "over a centre crop, which is not done here, but by ci_cam_two_pass",
        ),
        Protocol(
            name="ci_cam_two_pass",
            boxes="two_thresholds",
            threshold=0.0,
            compare="image",
            ranking="second_view",
            note="NOT COMPARABLE with one pass over one view: CI-CAM's test as its code makes it. "
            "A centre crop of the resized image (the test pipeline's part) ranks the classes, the "
            "squashed full frame gives the maps that are combined by these ranks; then as ci_cam",
        ),
        Protocol(
            name="kg_ci_cam_centre_crop",
            geometry="input",
            boxes="two_thresholds",
            threshold=0.14,
            note="NOT COMPARABLE with full-frame numbers: KG-CI-CAM's test on a tight centre crop "
            "(344 to 224 px on CUB), which clips the ground truth, so that the whole crop as a box "
            "already meets most of it. .14 is the authors', of VGG-16 on CUB, chosen on its "
            "test set; their single box is compared whatever the class",
        ),
        Protocol(
            name="tokencut",
            rounding="exact",
            ground_truth="first",
            note="TokenCut's test: one ground-truth box per image, images keep their aspect (the "
            "test pipeline's part) and are compared in the square the padded input is squashed to, "
            "inclusive ends counted there. Its code also leaves out images with both sides above "
            "1000 px and does not clamp the overlap of disjoint boxes; neither is done here",
        ),
        Protocol(
            name="tscam",
            note="TS-CAM's test: images squashed to 224 px, any of all ground-truth boxes. Its "
            "thresholds (.1 on CUB, .12 on ILSVRC, times the maximum) and epoch were chosen on the "
            "test set; rounding and ends are the reference benchmark's, not checked in its code",
        ),
        Protocol(
            name="psol",
            rounding="exact",
            plus_one=False,
            match="gt",
            average="macro",
            geometry="input",
            note="PSOL's test: 256 px squash, centre crop 224 (the test pipeline's part), truth "
            "clipped to the crop, IoU above .5 with any box of the image's class, mean of the "
            "classes' accuracies. A box near the crop's border is easier than in the full "
            "frame. Rounding and ends are ours; its code takes a pixel off the boxes of "
            "ILSVRC's XML files. As c2am: its maps see the middle 448 of a 480 px squash, and "
            "their threshold was chosen on the boxes it reports. As wend: clipped truth and the "
            "mean of classes are those of C2AM's code, on which it builds; the paper does not say, "
            "and no code was found",
        ),
    )
}

# Tests that decide alike; the pipelines in front of them differ.
ALIASES = {"c2am": "psol", "wend": "psol"}


def get_protocol(protocol: str | Mapping[str, Any] | Protocol) -> Protocol:
    """Look a protocol up, or derive one from a named one.

    Args:
        protocol: A name or alias; or ``dict(name=..., key=value, ...)``: the named protocol with
            keys changed, which is then named after the change and no longer ``comparable``.

    Returns:
        The protocol.

    Raises:
        ValueError: Unknown name, key or value; the message lists the known ones.

    Examples:
        >>> get_protocol("wsolevaluation").plus_one
        True
        >>> get_protocol(dict(name="original", match="gt")).name
        'original(match=gt)'
    """
    if isinstance(protocol, Protocol):
        return protocol
    changes = {"name": protocol} if isinstance(protocol, str) else dict(protocol)
    name = changes.pop("name", None)
    name = ALIASES.get(name, name)
    if name not in PROTOCOLS:
        raise ValueError(f"unknown protocol {name!r}{_hint(name, {*PROTOCOLS, *ALIASES})}")
    known = [field.name for field in fields(Protocol)]
    for key in changes:
        if key not in known:
            raise ValueError(f"unknown protocol key {key!r}{_hint(key, known)}")
    if not changes:
        return PROTOCOLS[name]
    label = ", ".join(f"{key}={value}" for key, value in changes.items())
    return replace(PROTOCOLS[name], **{"name": f"{name}({label})", "comparable": False, **changes})


def _hint(word: Any, known: Any) -> str:
    """What was probably meant, and all choices."""
    close = get_close_matches(str(word), list(known), n=1)
    meant = f", did you mean {close[0]!r}?" if close else ","
    return f"{meant} known: {', '.join(sorted(known))}"
