"""Saved maps and the lists beside them."""

import numpy as np
import pytest
import torch

from wsol_mm.datasets.metadata import read_metadata
from wsol_mm.evaluation.dump_maps import DumpMaps
from wsol_mm.evaluation.map_files import load_seed, seed_file


def sample(name, label, boxes=((1.5, 2.0, 30.0, 0.1 + 20),), shift=0.0):
    generator = torch.Generator().manual_seed(label)
    matrix = np.diag([0.5, 0.25, 1.0])
    matrix[0, 2] = shift
    fields = dict(
        img_id=name,
        gt_label=torch.tensor([label]),
        ori_shape=(80, 40),
        img_shape=(20, 20),
        homography_matrix=matrix,
        map_labels=torch.tensor([4, label]),
        pred_maps=torch.randn(2, 3, 5, generator=generator),
    )
    if boxes is not None:
        fields["gt_instances"] = dict(bboxes=np.array(boxes))
    return fields


def test_the_map_of_the_true_class_and_the_lists(tmp_path):
    metric = DumpMaps(str(tmp_path / "maps"))
    first, second = sample("a/x.jpg", 2), sample("b/c/y.png", 0, [(0, 0, 5, 6), (7, 8, 9, 10)])
    metric.process(None, [first])
    metric.process(None, [second])
    assert metric.evaluate(2) == {}
    for one in (first, second):
        saved = np.load(tmp_path / "maps" / f"{one['img_id']}.npy")
        assert saved.dtype == np.float32
        assert np.array_equal(saved, one["pred_maps"][1].numpy())
    entries = read_metadata(tmp_path / "maps", tmp_path, hint="", boxes=True)
    assert [entry["img_id"] for entry in entries] == ["a/x.jpg", "b/c/y.png"]
    assert [entry["gt_label"] for entry in entries] == [2, 0]
    assert (entries[0]["width"], entries[0]["height"]) == (40, 80)
    assert entries[0]["boxes"] == [[1.5, 2.0, 30.0, 0.1 + 20]]  # to the last bit
    assert entries[1]["boxes"] == [[0, 0, 5, 6], [7, 8, 9, 10]]


@pytest.mark.parametrize("odd", [dict(boxes=None), dict(shift=-3.0)])
def test_no_lists_where_they_would_mislead(tmp_path, odd):
    metric = DumpMaps(str(tmp_path))
    metric.process(None, [sample("a.jpg", 1), sample("b.jpg", 1, **odd)])
    assert metric.evaluate(2) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg.npy", "b.jpg.npy"]


def test_a_class_agnostic_map_serves(tmp_path):
    one = sample("a.jpg", 1) | dict(map_labels=[-1], pred_maps=torch.ones(1, 2, 2).double())
    DumpMaps(str(tmp_path)).process(None, [one])
    assert np.load(tmp_path / "a.jpg.npy").dtype == np.float32


def test_the_seed_of_the_true_class_goes_beside_its_map(tmp_path):
    one = sample("a/x.jpg", 1) | dict(map_labels=torch.tensor([1, 4]), seed_map=torch.eye(3))
    other = sample("b.jpg", 1) | dict(seed_map=torch.eye(3))  # of class 4, which is first
    DumpMaps(str(tmp_path)).process(None, [one, other])
    assert np.array_equal(load_seed(seed_file(tmp_path, "a/x.jpg")), np.eye(3))
    assert load_seed(seed_file(tmp_path, "b.jpg")) is None


def test_wrong_samples(tmp_path):
    one = sample("a.jpg", 1)
    with pytest.raises(ValueError, match=r"a\.jpg has no pred_maps"):
        DumpMaps(str(tmp_path)).process(None, [{k: one[k] for k in one if k != "pred_maps"}])
    with pytest.raises(ValueError, match="lack the ground-truth class 1"):
        DumpMaps(str(tmp_path)).process(None, [one | dict(map_labels=torch.tensor([0, 2]))])
