"""A record holds what one image says, exactly, and survives its file."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol_mm.evaluation import WSOLMetric
from wsol_mm.evaluation.coco_ap import coco_ap
from wsol_mm.evaluation.protocols import get_protocol
from wsol_mm.evaluation.records import load_records, make_record, map_scope, save_records
from wsol_mm.evaluation.results import Settings, degenerate, evaluate_records
from wsol_mm.evaluation.view import View
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.boxes import box_iou
from wsol_mm.functional.cam import normalize_map, to_grey, upsample_map
from wsol_mm.functional.component_tree import best_iou_curves

REFERENCE, ORIGINAL = get_protocol("wsolevaluation"), get_protocol("original")
READY = BoxRule(threshold="oracle", normalization=None)


def squash_sample(width=500, height=335, side=224, boxes=((60, 27, 385, 331),), **fields):
    return {
        "img_id": "a/b.jpg",
        "gt_label": torch.tensor([2]),
        "ori_shape": (height, width),
        "img_shape": (side, side),
        "homography_matrix": np.diag([side / width, side / height, 1.0]),
        "gt_instances": {"bboxes": torch.tensor(boxes, dtype=torch.float64)},
        **fields,
    }


def with_maps(labels=(2, 0), **fields):
    maps = torch.rand(len(labels), 14, 14, generator=torch.Generator().manual_seed(0))
    return squash_sample(pred_maps=maps, map_labels=torch.tensor(labels), **fields)


@pytest.mark.parametrize("side", [224, 96, 299])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_ground_truth_equals_the_references_integers(side, dtype):
    rng = np.random.default_rng(side)
    for _ in range(300):
        width, height = (int(size) for size in rng.integers(30, 3000, 2))
        corners = [int(rng.integers(0, size)) for size in (width, height, width, height)]
        sample = squash_sample(width, height, side)
        sample["homography_matrix"] = sample["homography_matrix"].astype(dtype)
        got = View(sample, REFERENCE).boxes(np.array([corners]))[0]
        sizes = (width, height, width, height)
        # Integer arithmetic: no rounding can blur it.
        assert got.tolist() == [224 * x // size for x, size in zip(corners, sizes, strict=True)]


def test_a_crop_that_does_not_cut_gives_the_same_integers():
    # The same squash written as a resize and a crop whose matrix carries rounding errors.
    for width in range(30, 2000, 13):
        scale = 0.1 * (224 / width) / 0.1
        sample = squash_sample(width, width)
        sample["homography_matrix"] = np.diag([scale, scale, 1.0])
        view = View(sample, REFERENCE)
        view.squash = False
        corners = np.arange(0, width - 1, 7)
        boxes = np.stack([corners, corners, corners, corners], axis=1)
        assert (view.boxes(boxes) == 224 * boxes // width).all()


def test_official_boxes_become_the_references(shared_data):
    """CUB's own x + width, cut at the last pixel, is what the metadata lists hold."""
    names = dict(line.split() for line in (shared_data / "cub_mini/images.txt").open())
    official = {}
    for line in (shared_data / "cub_mini/bounding_boxes.txt").open():
        image, *box = line.split()
        x, y, width, height = map(float, box)
        official[names[image]] = [x, y, x + width, y + height]
    lists = shared_data / "wsol_metadata/CUB/test"
    sizes = dict(line.strip().split(",", 1) for line in (lists / "image_sizes.txt").open())
    compared = 0
    for line in (lists / "localization.txt").open():
        name, box = line.strip().split(",", 1)
        if name in official:
            width, height = map(int, sizes[name].split(","))
            view = View(squash_sample(width, height), REFERENCE)
            listed = np.array([[float(x) for x in box.split(",")]])
            assert (view.boxes(np.array([official[name]])) == view.boxes(listed)).all(), name
            compared += 1
    assert compared == 143


def test_maps_become_curves_of_the_ground_truth_class():
    sample = with_maps(pred_score=torch.tensor([0.2, 0.1, 0.3, 0.4]))
    record = make_record(sample, REFERENCE)
    raw = sample["pred_maps"][0].numpy()
    grey = to_grey(normalize_map(upsample_map(raw.astype(np.float64), (224, 224)), "minmax"))
    gt = np.array([[26.0, 18.0, 172.0, 221.0]])
    largest, every = best_iou_curves(grey, gt, plus_one=True)
    assert (record.curve_largest == largest).all()
    assert (record.curve_any == every).all()
    assert (record.curve_any >= record.curve_largest).all()
    assert record.curve_any.max() > 0
    assert (record.gt_label, record.grey_max, record.num_gt) == (2, 255, 1)
    assert record.top5.tolist() == [3, 2, 0, 1]
    agnostic = make_record(
        {**sample, "map_labels": torch.tensor([-1])} | {"pred_maps": sample["pred_maps"][:1]},
        REFERENCE,
    )
    assert (agnostic.curve_any == every).all()


@pytest.mark.parametrize("protocol", ["wsolevaluation", "original"])
def test_a_map_records_boxes_of_all_levels_where_they_lie_in_the_image(protocol):
    rules = get_protocol(protocol)
    sample = with_maps(img_path="x/a/b.jpg")
    record = make_record(sample, rules)
    raw = sample["pred_maps"][0].numpy()
    assert (record.img_path, record.image_size.tolist()) == ("x/a/b.jpg", [500, 335])
    assert record.gt_boxes.tolist() == [[60.0, 27.0, 385.0, 331.0]]
    rule = BoxRule(threshold=0.3)
    (box,) = rule.apply(raw, (rules.frame, rules.frame))
    assert record.level_boxes[int(0.3 * record.grey_max)].tolist() == box.tolist()
    scale, offset = record.to_frame.reshape(2, 2)
    assert scale == pytest.approx([rules.frame / 500, rules.frame / 335])
    assert offset.tolist() == [0, 0]


def test_the_one_box_of_a_map_is_kept_and_is_no_detection():
    rules = get_protocol("ci_cam")
    sample = with_maps(boxes=((60, 27, 200, 150), (220, 160, 385, 331)))
    record = make_record(sample, rules)
    assert record.boxes.shape == (1, 4)
    assert record.gt_boxes.tolist() == [[60.0, 27, 200, 150], [220.0, 160, 385, 331]]
    computed = evaluate_records([record], rules, Settings(bootstrap=0), stamp={})
    assert "gt_known" in computed.flat()
    assert "coco_ap" not in computed.flat()


def test_a_crop_says_how_the_image_lies_in_the_frame():
    matrix = np.array([[0.5, 0, -20], [0, 0.5, 4], [0, 0, 1]])
    sample = with_maps(homography_matrix=matrix, boxes=((100, 60, 300, 200),))
    record = make_record(sample, ORIGINAL)
    scale, offset = record.to_frame.reshape(2, 2)
    moved = record.gt_boxes * np.tile(scale, 2) + np.tile(offset, 2)
    assert moved == pytest.approx(View(sample, ORIGINAL).boxes(record.gt_boxes))


def test_records_of_earlier_versions_are_read(tmp_path):
    record = make_record(with_maps(), REFERENCE)
    save_records(tmp_path / "new.npz", [record], {})
    arrays = dict(np.load(tmp_path / "new.npz"))
    later = ("level_boxes", "to_frame", "gt_boxes", "gt_boxes.size", "image_size")
    old = {key: value for key, value in arrays.items() if key not in later}
    assert len(old) == len(arrays) - len(later)
    np.savez(tmp_path / "old.npz", **old)
    (again,), _ = load_records(tmp_path / "old.npz")
    assert again.level_boxes is again.to_frame is again.gt_boxes is again.image_size is None
    assert (again.curve_any == record.curve_any).all()


def test_a_record_is_small():
    record = make_record(
        with_maps(pred_score=torch.rand(1000), gt_mask=np.ones((335, 500), dtype=bool)), REFERENCE
    )
    size = sum(value.nbytes for value in vars(record).values() if isinstance(value, np.ndarray))
    assert size < 16_000
    assert record.curve_any.dtype == np.float64


def test_the_original_protocol_is_plain_iou_in_the_image():
    boxes = torch.tensor([[10.0, 10, 60, 60], [0, 0, 100, 50.5], [60, 27, 385, 331]])
    instances = {"bboxes": boxes, "scores": torch.tensor([0.1, 0.9, 0.5])}
    sample = squash_sample(pred_instances=instances)
    record = make_record(sample, ORIGINAL)
    gt = sample["gt_instances"]["bboxes"].numpy()
    expected = box_iou(boxes.numpy().astype(float)[[1, 2, 0]], gt).max(axis=1)
    assert record.box_iou == pytest.approx(expected, abs=1e-12)
    assert record.box_score == pytest.approx([0.9, 0.5, 0.1])
    # Boxes live in the original image, so the input's geometry does not matter.
    for key in ("homography_matrix", "img_shape"):
        sample.pop(key)
    assert make_record(sample, ORIGINAL).box_iou == pytest.approx(expected, abs=1e-12)
    # Under the reference's conventions a perfect box stays perfect.
    assert make_record(sample, REFERENCE).box_iou[1] == 1.0


def test_several_boxes_and_the_first_only():
    gt = ((0, 0, 100, 100), (200, 100, 400, 300))
    found = {"bboxes": torch.tensor([[200.0, 100, 400, 300]]), "scores": torch.tensor([1.0])}
    sample = squash_sample(boxes=gt, pred_instances=found)
    assert make_record(sample, REFERENCE).box_iou.tolist() == [1.0]
    first = get_protocol({"name": "wsolevaluation", "ground_truth": "first"})
    record = make_record(sample, first)
    assert record.box_iou.tolist() == [0.0]
    assert record.num_gt == 2


def test_ground_truth_outside_the_crop_cannot_be_found():
    sample = with_maps(boxes=((0, 0, 20, 20),))
    sample["homography_matrix"] = np.array([[1.0, 0, -100], [0, 1, -50], [0, 0, 1]])
    protocol = get_protocol({"name": "wsolevaluation", "geometry": "input"})
    record = make_record(sample, protocol)
    assert record.num_gt == 1
    assert record.curve_any.max() == record.trivial_whole == 0.0
    assert not record.squash


def test_a_crop_needs_a_protocol_that_is_defined_on_it():
    sample = with_maps()
    sample["homography_matrix"] = np.array([[1.0, 0, -100], [0, 1, -50], [0, 0, 1]])
    with pytest.raises(ValueError, match=r"a/b\.jpg: a crop cut into.*geometry='input'"):
        make_record(sample, REFERENCE)
    assert make_record(sample, ORIGINAL).curve_any.max() > 0


def test_masks_follow_the_crop():
    mask = np.zeros((50, 100), dtype=bool)
    mask[10:20, 30:60] = True
    sample = {
        "img_id": "a",
        "gt_label": 0,
        "ori_shape": (50, 100),
        "img_shape": (40, 40),
        "homography_matrix": np.array([[1.0, 0, -25], [0, 1, -5], [0, 0, 1]]),
    }
    protocol = get_protocol({"name": "original", "frame": 40})
    assert (View(sample, protocol).mask(mask) == mask[5:45, 25:65]).all()
    sample["pred_maps"] = mask[None, 5:45, 25:65].astype(np.float64)
    record = make_record({**sample, "map_labels": [-1], "gt_mask": mask}, protocol, rule=READY)
    assert record.hist_fg[-1] == 300
    assert record.hist_bg[0] == 1300
    with pytest.raises(ValueError, match="mask is 50 x 100"):
        View(sample, protocol).mask(mask.T)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"map_labels": torch.tensor([0, 1])}, "lack the ground-truth class 2"),
        ({"map_labels": torch.tensor([2])}, "one entry of map_labels each"),
        ({"homography_matrix": None}, "homography_matrix is missing"),
        ({"homography_matrix": np.diag([-1.0, 1, 1])}, "flips, turns or shears"),
        ({"pred_score": torch.rand(2)}, "gt_label 2 has no score"),
        ({"gt_instances": {"bboxes": torch.zeros(0, 4)}}, "neither ground-truth boxes nor a mask"),
        ({"gt_instances": {"bboxes": torch.tensor([[5.0, 0, 1, 1]])}}, "not finite x0, y0, x1"),
    ],
)
def test_errors_name_the_image(change, message):
    with pytest.raises(ValueError, match=r"a/b\.jpg: .*" + message):
        make_record({**with_maps(), **change}, REFERENCE)


def test_ready_maps_are_checked():
    sample = squash_sample(map_labels=[-1], pred_maps=np.zeros((1, 14, 14)))
    with pytest.raises(ValueError, match="must be 224 x 224"):
        make_record(sample, REFERENCE, rule=READY)
    sample["pred_maps"] = np.zeros((1, 224, 224), dtype=np.float32)
    with pytest.raises(TypeError, match="must be float64"):
        make_record(sample, REFERENCE, rule=READY)
    sample["pred_maps"] = np.full((1, 224, 224), 1.5)
    with pytest.raises(ValueError, match="0, 1"):
        make_record(sample, REFERENCE, rule=READY)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_map_that_is_none_is_wrong_everywhere(value):
    # This ground truth is met by the box (0, 0, 0, 0) of an empty mask.
    sample = with_maps(boxes=((0, 0, 1, 1),))
    sample["pred_maps"][0, 3, 3] = value
    record = make_record(sample, REFERENCE)
    assert record.nan_map
    assert record.grey_max == 0
    assert record.curve_any.max() == record.curve_largest.max() == 0
    one_box = make_record(sample, get_protocol("ci_cam"))
    assert one_box.nan_map
    assert len(one_box.box_iou) == 0
    sample["pred_maps"][0] = 3.0
    blank = make_record(sample, REFERENCE)
    assert (blank.nan_map, blank.grey_max) == (False, 0)
    assert blank.curve_any[0] == 1.0  # the reference's own rule


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_none_are_no_vote_for_class_0(value):
    sample = with_maps(pred_score=torch.full((4,), value), gt_label=torch.tensor([0]))
    record = make_record(sample, REFERENCE)
    assert record.bad_scores
    assert record.top5.tolist() == []
    sample["pred_score"] = torch.tensor([0.5, value, 0.1, 0.1])
    assert make_record(sample, REFERENCE).bad_scores
    masked = make_record({**sample, "pred_score": torch.tensor([0.5, -torch.inf])}, REFERENCE)
    assert masked.top5.tolist() == [0, 1]


def test_boxes_that_are_none_are_wrong_at_their_rank():
    nan = float("nan")
    right = [60.0, 27, 385, 331]
    boxes = torch.tensor([right, [nan, 0, 5, 5], [9.0, 9, 3, 3], right, right])
    scores = torch.tensor([0.5, 0.9, 0.7, nan, 0.1])
    record = make_record(
        squash_sample(pred_instances={"bboxes": boxes, "scores": scores}), ORIGINAL
    )
    assert record.box_iou.tolist() == [0, 0, 0, 1, 1]
    assert record.bad_boxes == 3
    assert record.boxes[:3].tolist() == np.zeros((3, 4)).tolist()
    assert np.isfinite(coco_ap([record])["coco_ap"])


def test_what_is_none_is_counted_and_said():
    nan = torch.tensor([float("nan")])
    maps = [with_maps(img_id=str(number), pred_score=torch.rand(4)) for number in range(6)]
    for number, sample in enumerate(maps):
        sample["gt_label"] = torch.tensor([0])
        sample["pred_maps"] = torch.rand(2, 14, 14)
        if number < 3:
            sample["pred_score"] = sample["pred_score"] * nan
    maps[4]["pred_maps"] = maps[4]["pred_maps"] * nan
    maps[5]["pred_maps"] = torch.ones(2, 14, 14)
    records = [make_record(sample, REFERENCE) for sample in maps]
    results = evaluate_records(records, REFERENCE, Settings(bootstrap=0), stamp={})
    assert results.stamp["degenerate"] == {"nan_scores": 3, "nan_maps": 1, "blank_maps": 1}
    assert results.flat()["top5_cls"] == 50.0
    line = results.warning()
    assert "among 6 images" in line
    assert "nan scores 3, nan maps 1, blank maps 1" in line
    assert "\n" not in line
    good = evaluate_records(records[3:4], REFERENCE, Settings(bootstrap=0), stamp={})
    assert good.warning() is None
    boxes = {"bboxes": torch.zeros(0, 4), "scores": torch.zeros(0)}
    record = make_record(squash_sample(pred_instances=boxes), REFERENCE)
    assert degenerate([record]) == {"no_boxes": 1}


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 255), st.booleans())
def test_a_flipped_image_has_the_same_record(seed, levels, agnostic):
    """Under plain IoU nothing tells left from right; the reference's extra pixel does."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 60, 2)
    box = [*corner, *(corner + rng.integers(10, 40, 2))]
    flipped = [100 - box[2], box[1], 100 - box[0], box[3]]
    maps = rng.integers(0, levels, (2, 48, 48)) / 255
    protocol = get_protocol({"name": "original", "frame": 48})
    made = [
        make_record(
            squash_sample(
                100,
                100,
                boxes=(one,),
                pred_maps=values[:1] if agnostic else values,
                map_labels=[-1] if agnostic else [2, 0],
                pred_score=np.array([0.1, 0.2, 0.3]),
                gt_mask=mask,
            ),
            protocol,
            rule=READY,
        )
        for one, values, mask in (
            (box, maps, box_mask(box)),
            (flipped, maps[..., ::-1], box_mask(box)[:, ::-1]),
        )
    ]
    for name in ("curve_any", "trivial_centre", "trivial_whole"):
        first, second = (getattr(record, name) for record in made)
        np.testing.assert_allclose(first, second, atol=1e-9)
    for name in ("top5", "grey_max", "level_otsu", "level_mean"):
        assert np.array_equal(*(getattr(record, name) for record in made)), name


def box_mask(box):
    mask = np.zeros((100, 100), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


@settings(max_examples=15)
@given(st.permutations(range(7)), st.lists(st.integers(1, 4), min_size=7, max_size=7))
def test_batches_and_their_order_change_no_number(order, sizes):
    samples = [
        squash_sample(
            img_id=f"{number}.jpg",
            gt_label=number % 3,
            pred_maps=np.random.default_rng(number).random((1, 8, 8)),
            map_labels=[-1],
            pred_score=np.random.default_rng(number).random(3),
        )
        for number in range(7)
    ]
    whole = WSOLMetric(bootstrap=20)
    whole.process(None, samples)
    split = WSOLMetric(bootstrap=20)
    left = [samples[number] for number in order]
    for size in sizes:
        split.process(None, left[:size])
        left = left[size:]
    assert len(split.results) == 7
    assert whole.compute_metrics(whole.results) == split.compute_metrics(split.results)


def test_records_survive_their_file(tmp_path):
    score = torch.tensor([0.2, 0.1, 0.3, 0.4])
    found = {"bboxes": torch.tensor([[200.0, 100, 400, 300]]), "scores": torch.tensor([1.0])}
    none = {"bboxes": torch.zeros(0, 4), "scores": torch.zeros(0)}
    boxes = [
        make_record(
            squash_sample(img_id=name, pred_instances=instances, pred_score=score), REFERENCE
        )
        for name, instances in (("é 1", found), ("b", none), ("c", found))
    ]
    maps = [make_record(with_maps(gt_mask=np.eye(335, 500, dtype=bool)), REFERENCE)]
    for records in (boxes, maps):
        save_records(tmp_path / "r.npz", records, {"protocol": "x"})
        again, info = load_records(tmp_path / "r.npz")
        assert info == {"protocol": "x"}
        for old, new in zip(records, again, strict=True):
            assert type(old) is type(new)
            assert old.present().keys() == new.present().keys()
            for key, value in old.present().items():
                assert type(getattr(new, key)) is type(value)
                assert np.array_equal(getattr(new, key), value), key
    (tmp_path / "bad.npz").write_text("no")
    with pytest.raises(ValueError, match="not a file of wsol_mm records"):
        load_records(tmp_path / "bad.npz")
    with pytest.raises(FileNotFoundError, match=r"WSOLMetric\(out"):
        load_records(tmp_path / "none.npz")


def test_map_scope():
    one = torch.rand(1, 4, 4)
    assert map_scope(one, [-1]) == "image"
    assert map_scope(one.expand(3, -1, -1), [2, 0, 1]) == "image"
    assert map_scope(torch.full((2, 4, 4), torch.nan), [2, 0]) == "image"
    assert map_scope(one, [2]) == "unknown"
    other = one.repeat(3, 1, 1)
    other[2, 3, 3] += 1e-6
    assert map_scope(other, [2, 0, 1]) == "class"
    assert make_record(with_maps(), REFERENCE).map_scope == "class"
    assert make_record(with_maps((2,)), get_protocol("ci_cam")).map_scope == "unknown"
