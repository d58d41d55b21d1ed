"""The metric through mmengine's Evaluator: numbers, stamp, files, one and two processes."""

import json
import logging
import pickle
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement, InstanceData

from wsol_mm.evaluation.protocols import get_protocol
from wsol_mm.evaluation.records import load_records, make_record
from wsol_mm.evaluation.results import Settings, evaluate_records, transfer_threshold
from wsol_mm.evaluation.wsol_metric import WSOLMetric
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.localization import compute_localization

CLASSES = 7


def samples(count, kind="maps", masks=False):
    """Random predictions; each sample depends on its number only."""
    made = []
    for number in range(count):
        draw = torch.Generator().manual_seed(number)
        width, height = 90 + number % 5, 70 + number % 3
        label = number % CLASSES
        corner = torch.rand(2, generator=draw) * 30
        box = torch.cat([corner, corner + 20 + torch.rand(2, generator=draw) * 20])
        sample = BaseDataElement(
            metainfo={
                "img_id": f"{label}/{number}.jpg",
                "ori_shape": (height, width),
                "img_shape": (96, 96),
                "homography_matrix": np.diag([96 / width, 96 / height, 1.0]),
            }
        )
        sample.gt_instances = InstanceData(bboxes=box[None].double())
        if kind == "maps":
            sample.gt_label = torch.tensor([label])
            sample.pred_score = torch.rand(CLASSES, generator=draw)
            sample.pred_maps = torch.rand(2, 12, 12, generator=draw)
            sample.map_labels = torch.tensor([label, (label + 1) % CLASSES])
        else:
            sample.set_metainfo({"gt_label": label})
            boxes = box + 25 * (torch.rand(4, 4, generator=draw) - 0.5)
            boxes = torch.cat([boxes[:, :2], torch.maximum(boxes[:, 2:], boxes[:, :2] + 1)], 1)
            sample.pred_instances = InstanceData(
                bboxes=boxes, scores=torch.rand(4, generator=draw), labels=torch.zeros(4).long()
            )
        if masks:
            sample.gt_mask = (torch.rand(height, width, generator=draw) < 0.5).numpy()
        made.append(sample)
    return made


def run(metric, data, batch=3):
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = {"classes": [f"bird {k}" for k in range(CLASSES)]}
    for start in range(0, len(data), batch):
        evaluator.process(data[start : start + batch])
    return evaluator.evaluate(len(data))


def test_numbers_are_those_of_the_records_and_plain_floats():
    data = samples(25, masks=True)
    metrics = run({"type": "wsol_mm.WSOLMetric", "bootstrap": 20}, data)
    records = [make_record(sample.to_dict(), get_protocol("wsolevaluation")) for sample in data]
    expected = compute_localization(records, bootstrap=0)
    assert all(type(value) is float for value in metrics.values())
    for key, value in expected["metrics"].items():
        assert metrics[f"wsol/{key}"] == value
    for key in ("best_threshold_iou30", "best_threshold_iou50", "threshold"):
        assert metrics[f"wsol/{key}"] == expected["thresholds"][key]
    assert {"wsol/pxap", "wsol/top5_loc", "wsol/max_box_acc_v2_iou70"} <= metrics.keys()
    assert metrics["wsol/gt_known"] == metrics["wsol/max_box_acc"]


def test_one_small_entry_per_sample():
    metric = WSOLMetric(bootstrap=0)
    metric.process(None, [sample.to_dict() for sample in samples(7)])
    assert len(metric.results) == 7
    assert max(len(pickle.dumps(record)) for record in metric.results) < 8_000


def test_a_threshold_is_carried_over_and_stamped(caplog, tmp_path):
    val = run(WSOLMetric(bootstrap=0), samples(20))
    threshold = transfer_threshold(val)
    assert threshold == {"value": val["wsol/best_threshold_iou50"], "source": "val"}
    out = tmp_path / "deep" / "test.json"
    test = run(WSOLMetric(threshold=threshold, bootstrap=10, out=str(out)), samples(40)[20:])
    assert test["wsol/threshold"] == threshold["value"]
    assert test["wsol/gt_known"] <= test["wsol/max_box_acc"]
    written = json.loads(out.read_text())
    assert written["gt_known"] == test["wsol/gt_known"]
    assert written["stamp"]["threshold"] == {**threshold, "interval": 0.001}
    assert written["stamp"]["protocol"]["name"] == "wsolevaluation"
    assert written["stamp"]["normalization"] == "minmax"
    assert written["stamp"]["pipeline"] == "squash"
    assert written["intervals"]["gt_known"][0] <= written["gt_known"]
    assert written["per_class"][0]["name"] == "bird 0"
    assert len(written["curves"]["max_box_acc"]) == 1000
    records, info = load_records(tmp_path / "deep" / "test_records.npz")
    assert info == written["stamp"]
    rule = BoxRule.parse(threshold)
    again = compute_localization(records, rule=rule, bootstrap=0)["metrics"]
    assert again["top1_loc"] == test["wsol/top1_loc"]
    assert sorted(path.name for path in out.parent.iterdir()) == ["test.json", "test_records.npz"]


def test_the_table_shows_source_stamp_and_trivial_predictors(caplog):
    metric = WSOLMetric(threshold="otsu", bootstrap=10, normalization="ivr", percentile=30)
    with caplog.at_level(logging.INFO, logger="mmengine"):
        metric.process(None, [sample.to_dict() for sample in samples(5)])
        table = evaluate_table(metric)
    lines = {line.split()[0]: line for line in table.splitlines() if line}
    assert lines["gt_known"].endswith("otsu")
    assert lines["max_box_acc"].endswith("(oracle)")
    assert "[" in lines["top1_loc"]
    assert "side" in lines["trivial_centre_iou50"]
    papers = " / ".join(lines[key].split()[1] for key in ("top1_loc", "top5_loc", "gt_known"))
    assert lines["as"] == f"as papers print it, Top-1 Loc / Top-5 Loc / GT-known: {papers}"
    assert '"normalization": "ivr", "percentile": 30' in lines["stamp:"]


def evaluate_table(metric):
    """The text the metric prints."""
    with mock.patch("wsol_mm.evaluation.wsol_metric.print_log") as log:
        metric.evaluate(len(metric.results))
    assert log.call_args.kwargs == {"logger": "current"}
    return log.call_args.args[0]


def test_degenerate_predictions_are_one_warning_at_the_end():
    data = samples(6)
    data[1].pred_maps = data[1].pred_maps * float("nan")
    data[2].pred_score = data[2].pred_score * float("nan")
    with mock.patch("wsol_mm.evaluation.wsol_metric.print_log") as log:
        run(WSOLMetric(bootstrap=0), data)
    (_, (line,), words) = log.mock_calls[-1]
    assert words["level"] == logging.WARNING
    assert line.endswith("counted as wrong: nan scores 1, nan maps 1")
    assert len(log.mock_calls) == 2  # with the table


def test_detectors_get_their_classes_from_a_file(tmp_path):
    data = samples(12, "boxes")
    bare = run(WSOLMetric(bootstrap=0), data)
    assert "wsol/top1_loc" not in bare
    assert "wsol/best_threshold_iou50" not in bare
    assert bare["wsol/mean_boxes"] == 4.0
    with pytest.raises(KeyError, match="only maps have a threshold"):
        transfer_threshold(bare)
    path = tmp_path / "scores.npz"
    rng = np.random.default_rng(0)
    ids = [sample.img_id for sample in data]
    np.savez(path, img_ids=np.array(ids), scores=rng.random((12, CLASSES)).astype(np.float32))
    joined = run(WSOLMetric(classifier_scores=str(path), bootstrap=0), data)
    top1 = np.load(path)["scores"].argmax(axis=1) == np.arange(12) % CLASSES
    assert joined["wsol/top1_cls"] == pytest.approx(100 * top1.mean())
    assert joined["wsol/top1_loc"] <= min(joined["wsol/top1_cls"], joined["wsol/gt_known"])
    assert joined["wsol/gt_known"] == bare["wsol/gt_known"]
    assert joined["wsol/multi_gt_known"] > joined["wsol/gt_known"]
    np.savez(path, img_ids=np.array(ids[:-1]), scores=np.zeros((11, CLASSES)))
    with pytest.raises(KeyError, match=rf"scores\.npz has no scores for image '{ids[-1]}'"):
        run(WSOLMetric(classifier_scores=str(path)), data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": "best"}, "expected oracle, otsu, mean or a number"),
        ({"threshold": 1.0}, r"\[0, 1\)"),
        ({"threshold": {"value": 0.1, "source": "test"}}, "source='val' or 'fixed'"),
        ({"threshold": {"value": 0.1}}, "source='val' or 'fixed'"),
        ({"threshold": "val"}, "tools/test.py finds by running that split first"),
        ({"box_rule": "biggest"}, "components='biggest'"),
        ({"box_rule": "two_thresholds"}, "records take oracle"),
        ({"normalization": "min-max"}, "unknown normalization"),
        ({"normalization": "pas"}, "needs a percentile"),
        ({"percentile": 90.0}, "takes no percentile"),
        ({"normalization": None, "percentile": 90.0}, "takes no percentile"),
        ({"interval": 0.0}, "interval=0.0"),
        ({"iou_thrs": (50,)}, "iou_thrs"),
        ({"bootstrap": -1}, "bootstrap=-1"),
        ({"out": "x.pkl"}, "ends in .json"),
        ({"protocol": "wsol"}, "unknown protocol 'wsol'"),
    ],
)
def test_arguments_without_meaning(arguments, message):
    with pytest.raises(ValueError, match=message):
        WSOLMetric(**arguments)


def worker(rank, folder):
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    found = {}
    for kind in ("maps", "boxes"):
        data = samples(11, kind)
        # Like mmengine's sampler: 11 images, padded to 12, every second one.
        mine = [(data + data[:1])[index] for index in range(rank, 12, 2)]
        two = folder / f"{kind}_two.json"
        metric = WSOLMetric(bootstrap=30, collect_dir=f"{folder}/{kind}", out=str(two))
        evaluator = Evaluator(metric)
        evaluator.process(mine)
        found[kind] = evaluator.evaluate(11)
    (folder / f"rank{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def test_two_processes_give_the_same_records_and_bits(tmp_path, two_ranks):
    two_ranks(worker, tmp_path)
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    for kind in ("maps", "boxes"):
        one, two = tmp_path / f"{kind}_one.json", tmp_path / f"{kind}_two.json"
        evaluator = Evaluator(WSOLMetric(bootstrap=30, out=str(one)))
        evaluator.process(samples(11, kind))
        metrics = evaluator.evaluate(11)
        assert [rank[kind] for rank in ranks] == [metrics, metrics]
        assert one.read_text() == two.read_text()
        files = (path.with_name(f"{path.stem}_records.npz") for path in (one, two))
        with np.load(next(files)) as a, np.load(next(files)) as b:
            assert a.files == b.files
            assert all((a[key] == b[key]).all() for key in a.files)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda maps, labels: (maps, labels), False),
        (lambda maps, labels: (maps[:1].expand(2, -1, -1), labels), True),
        (lambda maps, labels: (maps[:1], labels[:1] * 0 - 1), True),
        (lambda maps, labels: (maps[:1], labels[:1]), None),
    ],
    ids=["of its class", "the same for all", "marked", "one of one class"],
)
@pytest.mark.parametrize("protocol", ["wsolevaluation", "ci_cam"])
def test_the_stamp_says_whether_maps_know_the_class(change, expected, protocol, tmp_path):
    data = samples(4)
    for sample in data:
        sample.pred_maps, sample.map_labels = change(sample.pred_maps, sample.map_labels)
    out = tmp_path / "test.json"
    run(WSOLMetric(protocol=protocol, bootstrap=0, out=str(out)), data)
    assert json.loads(out.read_text())["stamp"]["class_agnostic"] is expected


def test_one_image_with_maps_of_its_classes_is_enough_and_boxes_say_nothing(tmp_path):
    data = samples(3)
    data[1].pred_maps = torch.zeros(2, 12, 12)  # the same for both classes, by accident
    for kind, made in (("maps", data), ("boxes", samples(3, kind="boxes"))):
        run(WSOLMetric(bootstrap=0, out=str(tmp_path / f"{kind}.json")), made)
    stamps = [
        json.loads((tmp_path / f"{kind}.json").read_text())["stamp"] for kind in ("maps", "boxes")
    ]
    assert [stamp["class_agnostic"] for stamp in stamps] == [False, None]


def test_records_of_earlier_versions_still_count():
    records = [
        make_record(sample.to_dict(), get_protocol("wsolevaluation")) for sample in samples(3)
    ]
    records = [replace(record, map_scope="unknown") for record in records]
    results = evaluate_records(
        records, get_protocol("wsolevaluation"), Settings(bootstrap=0), stamp={}
    )
    assert results.stamp["class_agnostic"] is None
