"""COCO's class-agnostic AP: by hand, against pycocotools' own files, through the metric."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement, InstanceData
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from wsol_mm.evaluation.coco_ap import coco_ap
from wsol_mm.evaluation.protocols import get_protocol
from wsol_mm.evaluation.records import load_records, make_record
from wsol_mm.evaluation.results import Settings, evaluate_records
from wsol_mm.functional.image_record import BoxRecord

NAMES = ["coco_ap", "coco_ap50", "coco_ap75"]
# two objects in a, one in b; the box on b has IoU 0.62


def record(img_id, gt_boxes, boxes, box_score):
    gt, boxes, score = (np.array(value, float) for value in (gt_boxes, boxes, box_score))
    fields = {"num_gt": len(gt), "gt_boxes": gt, "boxes": boxes, "box_score": score}
    return BoxRecord(img_id=img_id, gt_label=0, box_iou=np.zeros(len(boxes)), **fields)


A = record(
    "a",
    [[0, 0, 40, 40], [60, 60, 90, 90]],
    [[0, 0, 40, 40], [0, 60, 20, 90]],
    [0.9, 0.8],
)
B = record("b", [[0, 0, 100, 10]], [[0, 0, 62, 10]], [0.7])
# Ranked: right, wrong, and b's, right up to IoU 0.6; three objects. Up to recall 1/3 (34 of the 101
# levels) the precision is 1, up to 2/3 (33 levels) it is 2/3 where b's box is right.
AT50, AT75 = 100 * (34 + 33 * 2 / 3) / 101, 100 * 34 / 101


def test_by_hand():
    expected = {"coco_ap": (3 * AT50 + 7 * AT75) / 10, "coco_ap50": AT50, "coco_ap75": AT75}
    assert coco_ap([A, B]) == pytest.approx(expected, abs=1e-9)
    assert coco_ap([B, A]) == coco_ap([A, B])


def test_a_box_takes_one_object():
    twice = replace(A, boxes=A.gt_boxes[[0, 0]])
    assert coco_ap([twice])["coco_ap50"] == pytest.approx(100 * 51 / 101)
    both = replace(A, boxes=A.gt_boxes)
    assert coco_ap([both]) == pytest.approx(dict.fromkeys(NAMES, 100.0))


def test_without_any_box():
    nothing = replace(A, boxes=np.zeros((0, 4)), box_score=np.zeros(0))
    assert coco_ap([nothing]) == dict.fromkeys(NAMES, 0.0)
    # a's objects still count: one of three found
    assert coco_ap([nothing, B])["coco_ap50"] == pytest.approx(100 * 34 / 101)


def crowd(count, seed=0):
    """Images with one to four objects, and up to 120 boxes of which some are close to them."""
    draw = np.random.default_rng(seed)
    records = []
    for number in range(count):
        corner = draw.uniform(0, 150, (draw.integers(1, 5), 2))
        gt = np.concatenate([corner, corner + draw.uniform(20, 60, corner.shape)], axis=1)
        near = gt[draw.integers(0, len(gt), 6)] + draw.uniform(-8, 8, (6, 4))
        corner = draw.uniform(0, 150, (120 if number == 3 else 4, 2))
        far = np.concatenate([corner, corner + draw.uniform(20, 60, corner.shape)], axis=1)
        boxes = np.concatenate([near, far])
        score = np.sort(draw.uniform(size=len(boxes)))[::-1]
        order = draw.permutation(len(boxes))
        records.append(record(f"{number:02}", gt, boxes[order], score))
    return records


def test_as_pycocotools_from_files(tmp_path, capsys):
    records = crowd(12)
    truth, found = [], []
    for number, one in enumerate(records):
        for x0, y0, x1, y1 in one.gt_boxes.tolist():
            entry = {"image_id": 500 - number, "category_id": 7, "iscrowd": 0}
            entry |= {"id": len(truth) + 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}
            truth.append({**entry, "area": (x1 - x0) * (y1 - y0)})
        for (x0, y0, x1, y1), score in zip(one.boxes.tolist(), one.box_score.tolist(), strict=True):
            found.append({"image_id": 500 - number, "category_id": 7, "score": score})
            found[-1]["bbox"] = [x0, y0, x1 - x0, y1 - y0]
    images = [{"id": 500 - number} for number in range(12)]
    content = {"images": images, "annotations": truth, "categories": [{"id": 7, "name": "x"}]}
    (tmp_path / "gt.json").write_text(json.dumps(content))
    (tmp_path / "found.json").write_text(json.dumps(found))
    coco = COCO(str(tmp_path / "gt.json"))
    official = COCOeval(coco, coco.loadRes(str(tmp_path / "found.json")), "bbox")
    official.evaluate()
    official.accumulate()
    official.summarize()
    capsys.readouterr()
    numbers = coco_ap(records)
    assert capsys.readouterr().out == ""
    assert 100 * official.stats[:3] == pytest.approx([numbers[name] for name in NAMES])
    assert 5 < numbers["coco_ap"] < numbers["coco_ap50"] < 100


def sample(one, width=200, height=100, label=0):
    """A predicted sample; the model saw a crop, so the frame is not the image."""
    element = BaseDataElement(
        metainfo={
            "img_id": one.img_id,
            "gt_label": label,
            "ori_shape": (height, width),
            "img_shape": (50, 50),
            "homography_matrix": np.diag([50 / width, 50 / height, 1.0]),
        }
    )
    element.gt_instances = InstanceData(bboxes=one.gt_boxes)
    shuffled = slice(None, None, -1)  # make_record sorts by score
    element.pred_instances = InstanceData(
        bboxes=one.boxes[shuffled].copy(),
        scores=one.box_score[shuffled].copy(),
    )
    return element


@pytest.mark.parametrize(
    "protocol",
    ["wsolevaluation", {"name": "original", "ground_truth": "first"}],
)
def test_the_metric_gives_it_in_the_original_image(protocol, tmp_path):
    out = tmp_path / "r.json"
    settings = {"protocol": protocol, "bootstrap": 0, "out": str(out)}
    evaluator = Evaluator({"type": "wsol_mm.WSOLMetric", **settings})
    evaluator.process([sample(A), sample(B)])
    metrics = evaluator.evaluate(2)
    assert metrics["wsol/coco_ap50"] == pytest.approx(AT50)
    assert metrics["wsol/coco_ap75"] == pytest.approx(AT75)
    assert json.loads(out.read_text())["coco_ap50"] == metrics["wsol/coco_ap50"]
    # and later, from the records alone
    records, _ = load_records(tmp_path / "r_records.npz")
    again = evaluate_records(records, get_protocol(protocol), Settings(bootstrap=0), stamp={})
    assert again.flat()["coco_ap"] == metrics["wsol/coco_ap"]
    assert "coco_ap50" in again.table()


def test_one_object_per_image_has_none():
    evaluator = Evaluator({"type": "wsol_mm.WSOLMetric", "bootstrap": 0})
    evaluator.process([sample(B)])
    assert not any("coco_ap" in key for key in evaluator.evaluate(1))


def test_records_of_earlier_versions_have_none():
    protocol = get_protocol("original")
    made = make_record(sample(A).to_dict(), protocol)
    whole = evaluate_records([made], protocol, Settings(bootstrap=0), stamp={}).flat()
    old = replace(made, boxes=None, gt_boxes=None)
    bare = evaluate_records([old], protocol, Settings(bootstrap=0), stamp={}).flat()
    assert whole == {**bare, **{name: whole[name] for name in NAMES}}
