"""Protocols are data: named, strict, derivable."""

import numpy as np
import pytest

from wsol_mm.evaluation.protocols import PROTOCOLS, Protocol, get_protocol
from wsol_mm.evaluation.view import View


def test_the_default_is_the_reference_and_every_entry_is_under_its_name():
    reference = get_protocol("wsolevaluation")
    assert (reference.frame, reference.rounding, reference.plus_one) == (224, "truncate", True)
    assert (reference.match, reference.average, reference.geometry) == ("ge", "micro", "full")
    assert reference.comparable
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())


def test_derived_protocols_say_so():
    derived = get_protocol({"name": "wsolevaluation", "average": "macro"})
    assert (derived.name, derived.average) == ("wsolevaluation(average=macro)", "macro")
    assert not derived.comparable
    assert derived.plus_one
    assert Protocol(**derived.to_dict()) == derived


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ("wsolevaluatoin", r"did you mean 'wsolevaluation'\? known: original, wsolevaluation"),
        ({"match": "gt"}, "unknown protocol None"),
        ({"name": "original", "avrage": "macro"}, "'avrage', did you mean 'average'"),
        ({"name": "original", "match": ">"}, r"match='>': expected one of \('ge', 'gt'\)"),
        ({"name": "original", "plus_one": 1}, "plus_one=1: expected bool"),
        ({"name": "original", "frame": 0}, "frame=0"),
    ],
)
def test_unknown_names_keys_and_values(protocol, message):
    with pytest.raises(ValueError, match=message):
        get_protocol(protocol)


def crop_sample():
    """A 100 x 50 image, resized to 64 x 32, of which the middle 32 x 32 is seen."""
    return {
        "ori_shape": (50, 100),
        "img_shape": (32, 32),
        "homography_matrix": np.array([[0.64, 0, -16], [0, 0.64, 0], [0, 0, 1.0]]),
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # x * 0.64 - 16, times 7: 0 -> -112, 75 -> 224, 99 -> 331.52; y 10 -> 44.8, 49 -> 219.52.
        ({}, [-112, 44, 331, 219]),
        ({"rounding": "exact"}, [-112, 44.8, 331.52, 219.52]),
        ({"rounding": "exact", "plus_one": False}, [-112, 44.8, 336, 224]),
        ({"geometry": "input"}, [0, 44, 223, 219]),
        ({"geometry": "input", "plus_one": False, "rounding": "exact"}, [0, 44.8, 224, 224]),
    ],
)
def test_geometry_and_rounding_by_hand(changes, expected):
    view = View(crop_sample(), get_protocol({"name": "wsolevaluation", **changes}))
    assert not view.squash
    assert view.boxes(np.array([[0, 10, 100, 50]]))[0] == pytest.approx(expected, abs=1e-9)
