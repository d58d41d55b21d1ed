"""Protocols are data: named, strict, derivable."""

import numpy as np
import pytest

from wsol_mm.evaluation.protocols import PROTOCOLS, Protocol, get_protocol
from wsol_mm.evaluation.records import make_record
from wsol_mm.evaluation.results import Settings, evaluate_records
from wsol_mm.evaluation.view import View
from wsol_mm.functional.image_record import BoxRecord


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


def test_aliases_are_the_protocol_itself():
    assert get_protocol("wend") is get_protocol("c2am") is get_protocol("psol")
    assert get_protocol({"name": "wend", "match": "ge"}).name == "psol(match=ge)"
    keys = [{**protocol.to_dict(), "name": "", "note": ""} for protocol in PROTOCOLS.values()]
    assert all(keys.count(each) == 1 for each in keys)  # no two differ by their note alone


def test_stamps_of_earlier_versions_are_read():
    wanted = get_protocol({"name": "ci_cam", "threshold": 0.2})
    keys = wanted.to_dict()
    assert Protocol.of_stamp({"protocol": keys}) == wanted
    keys["cut"] = keys.pop("threshold")
    del keys["normalization"]
    assert Protocol.of_stamp({"protocol": keys}) == wanted
    old = {**get_protocol("psol").to_dict(), "cut": 0.0}
    del old["normalization"], old["threshold"]
    assert Protocol.of_stamp({"protocol": old}) == get_protocol("psol")


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ("wsolevaluatoin", r"did you mean 'wsolevaluation'\? known: .*original, .*wsolevaluation"),
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


def test_tokencut_keeps_the_aspect_and_looks_at_one_box():
    # 140 x 100, shorter side to 224, padded from 314 to 320 columns, which the frame squashes by .7
    boxes = np.array([[14, 10, 28, 20], [70, 50, 140, 100]])
    sample = {
        "img_id": "bird.jpg",
        "gt_label": 0,
        "gt_instances": {"bboxes": boxes},
        "ori_shape": (100, 140),
        "img_shape": (224, 320),
        "homography_matrix": np.diag([314 / 140, 2.24, 1.0]),
        "map_labels": [-1],
    }
    protocol = get_protocol("tokencut")
    moved = View(sample, protocol).boxes(boxes[:1])
    np.testing.assert_allclose(moved, [[21.98, 22.4, 43.96, 44.8]], atol=1e-9)
    found = {}
    for which, (x0, y0, x1, y1) in (("first", (22, 22, 44, 45)), ("second", (110, 112, 220, 224))):
        score_map = np.zeros((1, 224, 224))
        score_map[0, y0:y1, x0:x1] = 1
        record = make_record({**sample, "pred_maps": score_map}, protocol)
        assert record.num_gt == 2
        found[which] = record.curve_largest[128]
    # widths count one pixel more: 22.98 x 23.4 the ground truth, 23 x 24 the map's box
    shared = (43.96 - 22 + 1) * (44.8 - 22.4 + 1)
    union = 22.98 * 23.4 + 23 * 24 - shared
    assert found["first"] == pytest.approx(shared / union)
    assert found["second"] == 0
    assert get_protocol("tscam").ground_truth == "all"
    assert get_protocol("tscam").frame == 224


def map_sample(score_map, boxes, **geometry):
    return {
        "img_id": "a.jpg",
        "gt_label": 0,
        "pred_score": np.array([0.2, 0.8]),
        "pred_maps": np.asarray(score_map, np.float32)[None],
        "map_labels": np.array([-1]),
        "gt_instances": {"bboxes": np.array(boxes, float)},
        **geometry,
    }


SQUASH = {
    "ori_shape": (50, 100),
    "img_shape": (224, 224),
    "homography_matrix": np.diag([2.24, 4.48, 1.0]),
}


def test_ci_cam_compares_its_one_box_in_the_original_image_by_hand():
    score_map = np.zeros((14, 14))
    score_map[:, 7:] = 1
    protocol = get_protocol("ci_cam")
    record = make_record(
        map_sample(score_map, [[0, 0, 10, 10], [60, 0, 99, 49]], **SQUASH), protocol
    )
    # The step lies at 112 of 224, and what exceeds the mean of 1 / 2 is kept: 112..224 of 224 px is
    # 50..99 of 100, with inclusive ends 50 x 50 pixels. The second box has 40 x 50 of them.
    assert record.box_iou.tolist() == [2000 / 2500]
    assert record.box_score.tolist() == [1.0]
    assert isinstance(record, BoxRecord)
    computed = evaluate_records([record], protocol, Settings(bootstrap=0), stamp={})
    assert computed.flat()["gt_known"] == 100
    assert computed.flat()["top1_loc"] == 0  # the box is right, the class is not
    assert computed.flat()["top5_loc"] == 100
    assert computed.stamp["protocol"]["boxes"] == "two_thresholds"
    assert not protocol.comparable


def test_the_centre_crop_clips_the_ground_truth_and_says_so_by_hand():
    # 448 x 448 is squashed to 344, of which the middle 224 is seen: x * 344 / 448 - 60
    scale = 344 / 448
    score_map = np.ones((14, 14))
    score_map[0] = 0
    sample = map_sample(
        score_map,
        [[0, 112, 448, 448]],
        ori_shape=(448, 448),
        img_shape=(224, 224),
        homography_matrix=np.array([[scale, 0, -60], [0, scale, -60], [0, 0, 1.0]]),
    )
    protocol = get_protocol("kg_ci_cam_centre_crop")
    record = make_record(sample, protocol)
    # Ground truth: 0..223 and 112 * 344 / 448 - 60 = 26..223. The map, 0 up to 8 px and 1 from
    # 24 px on, exceeds its mean (208 / 224) where (y + .5 - 8) / 16 > .929: from y = 23 to 224.
    assert record.box_iou.item() == pytest.approx(224 * 198 / (225 * 202))
    # the whole crop as a box does as well
    assert record.trivial_whole > 0.87
    assert "NOT COMPARABLE" in protocol.note
    assert not protocol.comparable


def test_a_map_without_contrast_has_no_box_and_is_wrong():
    protocol = get_protocol("ci_cam")
    record = make_record(map_sample(np.ones((4, 4)), [[0, 0, 10, 10]], **SQUASH), protocol)
    assert record.box_iou.shape == (0,)
    computed = evaluate_records([record], protocol, Settings(bootstrap=0), stamp={})
    assert computed.flat()["gt_known"] == 0


def test_keys_of_the_single_box_are_refused_without_it():
    with pytest.raises(ValueError, match="needs boxes='two_thresholds'"):
        get_protocol({"name": "original", "compare": "image"})
    with pytest.raises(ValueError, match="needs a threshold"):
        get_protocol({"name": "original", "boxes": "two_thresholds"})
    with pytest.raises(ValueError, match=r"threshold=1\.0"):
        get_protocol({"name": "ci_cam", "threshold": 1.0})


# 512 x 256 is squashed to 256 x 256, of which the middle 224 is seen: x / 2 - 16, y - 16
CENTRE_CROP = {
    "ori_shape": (256, 512),
    "img_shape": (224, 224),
    "homography_matrix": np.array([[0.5, 0, -16], [0, 1.0, -16], [0, 0, 1.0]]),
}


@pytest.mark.parametrize("name", ["psol", "c2am", "wend"])
def test_centre_crop_protocols_clip_boxes_by_hand(name):
    protocol = get_protocol(name)
    view = View(CENTRE_CROP, protocol)
    boxes = np.array([[0, 0, 132, 116.5], [32, 16, 480, 240], [0, 0, 20, 10]])
    expected = [[0, 0, 50, 100.5], [0, 0, 224, 224], [0, 0, 0, 0]]
    assert view.boxes(boxes).tolist() == expected
    assert protocol.ground_truth == "all"
    assert not protocol.comparable


@pytest.mark.parametrize("name", ["psol", "c2am", "wend"])
def test_centre_crop_protocols_of_boxes_by_hand(name):
    protocol = get_protocol(name)

    def record(label, box, img_id):
        sample = {
            **CENTRE_CROP,
            "img_id": img_id,
            "gt_label": label,
            "pred_score": np.array([0.9, 0.1]),
            # a box that the crop leaves 0..50 x 0..100 of
            "gt_instances": {"bboxes": np.array([[0.0, 0, 132, 116], [400, 200, 420, 210]])},
            "pred_instances": {
                "bboxes": np.array([box, [0.0, 0, 512, 256]]),
                "scores": np.array([0.8, 0.1]),
            },
        }
        return make_record(sample, protocol)

    half = record(0, [32.0, 16, 132, 66], "a")  # 0..50 x 0..50 of 0..50 x 0..100
    more = record(0, [32.0, 16, 132, 67], "b")  # one row more
    wrong = record(1, [300.0, 16, 310, 30], "c")
    assert half.box_iou[0] == 0.5
    assert more.box_iou[0] == 0.51
    assert wrong.box_iou[0] == 0
    # in the full frame the same box covers less than a third
    whole = make_record(
        {
            "img_id": "b",
            "gt_label": 0,
            "ori_shape": (256, 512),
            "gt_instances": {"bboxes": np.array([[0.0, 0, 132, 116]])},
            "pred_instances": {
                "bboxes": np.array([[32.0, 16, 132, 67]]),
                "scores": np.array([1.0]),
            },
        },
        get_protocol("original"),
    )
    assert whole.box_iou[0] == pytest.approx(100 * 51 / (132 * 116))
    computed = evaluate_records(
        [half, more, wrong], protocol, Settings(bootstrap=0), stamp={}
    ).flat()
    # exactly .5 is not enough; class 0 has one of two, class 1 none
    assert computed["gt_known"] == 25
    assert computed["top1_loc"] == 25
    again = evaluate_records(
        [half, more, wrong],
        get_protocol({"name": name, "match": "ge", "average": "micro"}),
        Settings(bootstrap=0),
        stamp={},
    ).flat()
    assert again["gt_known"] == pytest.approx(200 / 3)


def test_c2ams_maps_are_compared_in_their_own_crop_by_hand():
    # 480 x 480, of which the middle 448 is seen
    score_map = np.zeros((28, 28))
    score_map[:, :14] = 1
    sample = map_sample(
        score_map,
        [[0, 0, 240, 240]],
        ori_shape=(480, 480),
        img_shape=(448, 448),
        homography_matrix=np.array([[1.0, 0, -16], [0, 1.0, -16], [0, 0, 1.0]]),
    )
    record = make_record(sample, get_protocol("c2am"))
    # ground truth: 0..224 of 448 in both directions; the map's box: the left half, 0..224 x 0..448
    assert record.curve_largest[128] == pytest.approx(0.5, abs=0.01)
    # with the full ground truth, 240 x 240 px, it would be another share
    full = make_record(sample, get_protocol({"name": "c2am", "geometry": "full"}))
    assert full.curve_largest[128] == pytest.approx(
        224 * 224 / (240 * 240 + 224 * 448 - 224 * 224), abs=0.01
    )
