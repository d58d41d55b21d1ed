"""Pseudo boxes: right frame, resumable, refused when empty."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpretrain.structures import DataSample

from wsol_mm.apis.box_files import coco_json, finished, write_json
from wsol_mm.apis.pseudo_boxes import (
    ScoreRule,
    choose_rule,
    make_boxes,
    make_pseudo_boxes,
    sample_boxes,
)
from wsol_mm.functional.box_rule import BoxRule

RULE = BoxRule(threshold=0.5)


def with_map(**kwargs):
    """A sample whose map is hot in the centre of its 64 x 64 input frame."""
    sample = DataSample(
        metainfo=dict(
            img_id=kwargs.get("img_id", "a.png"),
            ori_shape=(100, 200),
            img_shape=(64, 64),
            homography_matrix=kwargs.get("matrix", np.diag([64 / 200, 64 / 100, 1.0])),
        )
    )
    score_map = torch.zeros(1, 64, 64)
    score_map[0, 16:48, 16:48] = kwargs.get("value", 1.0)
    sample.set_field(score_map, "pred_maps")
    return sample


def test_map_boxes_come_back_to_the_original_frame():
    found = sample_boxes(with_map(), RULE)
    np.testing.assert_allclose(found.boxes, [[50, 25, 150, 75]], atol=1e-9)
    assert found.scores.tolist() == [0.0]  # full of the highest values: it may be a mere part


def test_a_map_gives_its_box_a_confidence():
    sample = with_map(value=0.5)
    sample.pred_maps[0, 20:24, 16:20] = 1.0
    found = sample_boxes(sample, BoxRule(threshold=0.25))
    np.testing.assert_allclose(found.boxes, [[50, 25, 150, 75]], atol=1e-9)
    mean = (0.5 * (32 * 32 - 16) + 16) / (32 * 32)  # all of the map lies inside
    np.testing.assert_allclose(found.scores, [1 - mean], atol=1e-3)


def test_centre_crop_is_undone():
    matrix = np.array([[1.0, 0, -20], [0, 1.0, -10], [0, 0, 1]])
    np.testing.assert_allclose(
        sample_boxes(with_map(matrix=matrix), RULE).boxes, [[36, 26, 68, 58]], atol=1e-9
    )


@pytest.mark.parametrize(
    ("rule", "boxes", "scores"),
    [
        (ScoreRule(), [[5, 5, 50, 60]], [0.9]),
        (ScoreRule(0.95), [], []),
        # best first; the second has no area
        (ScoreRule(0.0, "all"), [[5, 5, 50, 60], [0, 0, 10, 10]], [0.9, 0.2]),
        (ScoreRule(0.3, "all"), [[5, 5, 50, 60]], [0.9]),
    ],
)
def test_detector_gives_its_best_box_or_all_from_a_score_on(rule, boxes, scores):
    sample = DataSample(metainfo=dict(img_id="a.png", ori_shape=(100, 200)))
    instances = InstanceData(
        bboxes=torch.tensor([[0.0, 0, 10, 10], [5, 5, 50, 60], [7, 7, 7, 9]]),
        scores=torch.tensor([0.2, 0.9, 0.5]),
    )
    sample.set_field(instances, "pred_instances", dtype=InstanceData)
    found = sample_boxes(sample, rule)
    np.testing.assert_array_equal(found.boxes, np.reshape(boxes, (-1, 4)))
    np.testing.assert_allclose(found.scores, scores, rtol=1e-6)


def test_what_cannot_work_is_said_before_anything_is_built(tmp_path):
    checkpoint = tmp_path / "x.pth"
    with pytest.raises(FileNotFoundError, match=r"checkpoint .*x\.pth does not exist"):
        make_pseudo_boxes("none.py", checkpoint, tmp_path / "out.json")
    checkpoint.write_text("")
    for words, match in (
        ({"threshold": "best"}, "--threshold='best': expected val, otsu, mean or a number"),
        ({"threshold": "oracle"}, "--threshold='oracle'"),
        ({"score_threshold": 2.0}, "--score-threshold 2.0"),
    ):
        with pytest.raises(ValueError, match=match):
            make_pseudo_boxes("none.py", checkpoint, tmp_path / "out.json", **words)
    with pytest.raises(ValueError, match=r"x\.pth exists: delete it"):
        make_pseudo_boxes("none.py", checkpoint, checkpoint)


def test_the_rule_is_the_metrics_whatever_stands_first_and_val_is_run_for_its_threshold():
    ours = {"type": "wsol_mm.WSOLMetric", "normalization": "max"}
    cfg = Config({"val_evaluator": [{"type": "Accuracy"}, ours]})
    val_loop = SimpleNamespace(run=lambda: {"wsol/best_threshold_iou50": 0.25})
    runner = SimpleNamespace(model=torch.nn.Identity(), cfg=cfg, val_loop=val_loop)
    rule = choose_rule(runner, None, None, "all")
    assert rule == BoxRule(threshold=0.25, source="val", normalization="max", components="all")
    assert choose_rule(runner, 0.0, None, "largest").threshold == 0.0
    with pytest.raises(ValueError, match="maps have no scores"):
        choose_rule(runner, None, 0.3, "largest")


def test_scores_are_kept_in_the_file():
    line = {"width": 9, "height": 9, "boxes": [[0, 0, 4, 4], [1, 1, 3, 3]], "scores": [0.75, 0.5]}
    content = coco_json({"a.png": line}, {})
    assert [box["score"] for box in content["annotations"]] == [0.75, 0.5]
    del line["scores"]
    content = coco_json({"a.png": line}, {})
    assert not any("score" in box for box in content["annotations"])


def test_a_score_is_no_percentage():
    with pytest.raises(ValueError, match=r"--score-threshold 30: expected 0 to 1"):
        ScoreRule(30)


class Images(torch.utils.data.Dataset):
    """Five images; item i carries its number."""

    def __len__(self):
        return 5

    def get_data_info(self, index):
        return dict(img_id=f"{index}.png")

    def __getitem__(self, index):
        return index


class Model:
    """Counts the images it saw and stops, as a kill would, after ``budget`` of them."""

    def __init__(self, budget=99):
        self.seen = []
        self.budget = budget

    def test_step(self, batch):
        for index in batch:
            if len(self.seen) == self.budget:
                raise KeyboardInterrupt
            self.seen.append(index)
        return [with_map(img_id=f"{index}.png", value=float(index != 3)) for index in batch]


def run(model, parts, stamp=None):
    return make_boxes(model, Images(), parts, stamp or {"threshold": 0.5}, RULE, 1, 0)


def test_killed_run_continues(tmp_path):
    parts = tmp_path / "parts"
    first = Model(budget=2)
    with pytest.raises(KeyboardInterrupt):
        run(first, parts)
    # a kill in the middle of a line
    part = next(parts.glob("rank0-*.jsonl"))
    part.write_text(part.read_text() + '{"img_id": "4.pn')
    second = Model()
    done = run(second, parts)
    assert first.seen == [0, 1]
    assert second.seen == [2, 3, 4]
    whole = run(Model(), tmp_path / "other")
    assert done == whole


def test_parts_of_another_run_are_refused(tmp_path):
    run(Model(), tmp_path)
    with pytest.raises(ValueError, match="was made with other settings: delete"):
        finished(tmp_path, {"threshold": 0.7})


def test_json(tmp_path):
    done = run(Model(), tmp_path / "parts")
    ids = [f"{index}.png" for index in range(5)]
    write_json(tmp_path / "boxes.json", coco_json(done, dict(maker="cam/toy")))
    content = json.loads((tmp_path / "boxes.json").read_text())
    assert content["info"]["maker"] == "cam/toy"
    assert content["info"]["created_by"].startswith("wsol_mm ")
    assert content["categories"] == [{"id": 1, "name": "object"}]
    assert [image["file_name"] for image in content["images"]] == ids
    # image 3 has a constant map and so no box
    assert [box["image_id"] for box in content["annotations"]] == [0, 1, 2, 4]
    np.testing.assert_allclose(content["annotations"][0]["bbox"], [50, 25, 100, 50])


def test_empty_file_is_refused():
    done = {"a.png": dict(img_id="a.png", width=4, height=4, boxes=[])}
    with pytest.raises(ValueError, match="no image got a box, so nothing is written"):
        coco_json(done, dict(threshold=0.99))


def worker(rank, folder):
    """One of two gloo processes; keeps what it saw and what it was given back."""
    torch.set_num_threads(1)
    init = f"file://{folder}/rendezvous"
    torch.distributed.init_process_group("gloo", init_method=init, rank=rank, world_size=2)
    model = Model()
    done = run(model, folder / "parts")
    (folder / f"rank{rank}.json").write_text(json.dumps([model.seen, done]))
    torch.distributed.destroy_process_group()


def test_two_ranks_share_the_work(tmp_path, two_ranks):
    two_ranks(worker, tmp_path)
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert (first[0], second[0]) == ([0, 2, 4], [1, 3])
    whole = run(Model(), tmp_path / "single")
    assert first[1] == second[1] == whole
