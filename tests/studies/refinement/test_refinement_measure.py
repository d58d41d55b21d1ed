"""The numbers of the refinement report, by hand."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpretrain.structures import DataSample

from studies.refinement.measure import find, measure, table
from wsol_mm.functional.box_rule import BoxRule

RULE = BoxRule(threshold=0.5)


def item(name, boxes, mask=None):
    """An image of 8 x 10 that the network sees at half the size."""
    sample = DataSample()
    sample.set_metainfo(
        dict(img_id=name, ori_shape=(8, 10), homography_matrix=np.diag([0.5, 0.5, 1.0]))
    )
    sample.set_data({"gt_instances": InstanceData(bboxes=np.array(boxes, float))})
    if mask is not None:
        sample.set_data({"gt_mask": mask})
    return {"inputs": torch.zeros(3, 4, 5, dtype=torch.uint8), "data_samples": sample}


def two_objects():
    """Object of 2 x 3 pixels and one of 1 x 1 in the input."""
    score_map = np.zeros((4, 5), np.float32)
    score_map[1:3, :3] = 0.9
    score_map[3, 4] = 1.0
    return score_map


def test_the_box_is_the_largest_objects_and_the_mask_everybodys():
    found = find(two_objects(), item("a", [[0, 0, 1, 1]]), RULE)
    assert found.boxes.tolist() == [[0, 2, 6, 6]]
    expected = np.zeros((8, 10), bool)
    expected[2:6, :6] = expected[6:, 8:] = True
    assert np.array_equal(found.mask, expected)


def test_ious_are_with_the_best_box_and_all_objects(tmp_path):
    truth = np.zeros((8, 10), bool)
    truth[2:6, :3] = True  # half of the box, none of the small object
    dataset = [item("a", [[8, 6, 10, 8], [0, 2, 6, 5]], truth)]
    np.save(tmp_path / "a.npy", two_objects())
    ious = measure({"maps": tmp_path}, dataset, {"maps": RULE})["maps"]
    assert ious.tolist() == [[18 / 24, 12 / (24 + 4)]]
    without = [item("a", [[0, 2, 6, 6]])]
    box, mask = measure({"maps": tmp_path}, without, {"maps": RULE})["maps"][0]
    assert box == 1
    assert np.isnan(mask)
    with pytest.raises(ValueError, match="a has no true boxes"):
        measure({"maps": tmp_path}, [item("a", np.zeros((0, 4)))], {"maps": RULE})


def test_each_kind_of_maps_has_a_threshold_of_its_own(tmp_path):
    """The same maps: at .95 nothing but the small object is left."""
    np.save(tmp_path / "a.npy", two_objects())
    rules = {"coarse": RULE, "ARM": BoxRule(threshold=0.95)}
    found = measure(dict.fromkeys(rules, tmp_path), [item("a", [[0, 2, 6, 6]])], rules)
    assert (found["coarse"][0, 0], found["ARM"][0, 0]) == (1, 0)


def test_coarse_and_refined_maps_are_read_alike(tmp_path):
    """A refined map at the input's size, a coarse one that is interpolated to it."""
    coarse = np.array([[1.0, 0.0]], np.float32)
    upsampled = np.tile(np.array([1, 0.9, 0.5, 0.1, 0], np.float32), (4, 1))
    for rule in (RULE, BoxRule(threshold="otsu")):
        one, other = (find(m, item("a", [[0, 0, 1, 1]]), rule) for m in (coarse, upsampled))
        assert one.boxes.tolist() == other.boxes.tolist()
        assert np.array_equal(one.mask, other.mask)


def test_differences_have_an_interval_over_images():
    base = np.stack([np.linspace(0.3, 0.95, 40), np.full(40, 0.5)], axis=1)
    better = base + 0.04
    text = table({"coarse": base, "ARM": better}).splitlines()
    assert text[0] == "| maps | GT(0.5) | GT(0.7) | GT(0.8) | GT(0.9) | mask IoU |"
    right = [100 * (base[:, 0] >= iou).mean() for iou in (0.5, 0.7, 0.8, 0.9)]
    assert text[2] == "| coarse | " + " | ".join(f"{v:.1f}" for v in right) + " | 50.0 |"
    cells = [cell.strip() for cell in text[3].split("|")[2:-1]]
    assert cells[-1] == "54.0 (+4.0, [+4.0, +4.0])"
    low, high = (float(v) for v in cells[0].split("[")[1].rstrip("])").split(","))
    mean = float(cells[0].split("(")[1].split(",")[0])
    assert low <= mean <= high
    crossed = (base[:, 0] < 0.5) & (better[:, 0] >= 0.5)
    assert mean == pytest.approx(100 * crossed.mean())
    assert crossed.any()
