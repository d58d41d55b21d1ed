"""Pictures: boxes where they belong, one file per drawn image."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpretrain.structures import DataSample

from wsol_mm.visualization import WSOLVisualizationHook
from wsol_mm.visualization.drawing import GROUND_TRUTH, PREDICTION, draw_boxes, image_grid


@pytest.fixture
def samples(tmp_path):
    """Three grey images of 80 x 60 px with a map that is hot in the right half."""
    made = []
    for index in range(3):
        path = tmp_path / f"scene{index}.png"
        cv2.imwrite(str(path), np.full((60, 80, 3), 128, np.uint8))
        sample = DataSample(
            metainfo=dict(
                img_path=str(path),
                ori_shape=(60, 80),
                img_shape=(30, 40),
                homography_matrix=np.diag([0.5, 0.5, 1.0]),
            )
        )
        score_map = torch.zeros(1, 30, 40)
        score_map[0, :, 20:] = 1
        sample.set_field(score_map, "pred_maps")
        truth = InstanceData(bboxes=np.array([[10.0, 10, 30, 30]]))
        sample.set_field(truth, "gt_instances", dtype=InstanceData)
        made.append(sample)
    return made


class Visualizer:
    """Counts what is added."""

    def __init__(self):
        self.names = []

    def add_image(self, name, image, step=0):
        assert image.dtype == np.uint8
        self.names.append(name)


def test_map_and_boxes_are_drawn_in_the_original_frame(samples):
    picture = WSOLVisualizationHook(threshold=0.5).picture(samples[0])
    assert picture.shape == (60, 80, 3)
    # the map's right half is warm (red over blue), the left half cold
    assert picture[50, 60, 2] > picture[50, 60, 0]
    assert picture[50, 20, 0] > picture[50, 20, 2]
    np.testing.assert_array_equal(picture[10, 10], GROUND_TRUTH)
    np.testing.assert_array_equal(picture[0, 40], PREDICTION)


def test_detector_boxes_below_the_score_are_left_out(samples):
    sample = DataSample(metainfo=dict(img_path=samples[0].img_path))
    instances = InstanceData(
        bboxes=torch.tensor([[5.0, 5, 20, 40], [50, 5, 70, 40]]), scores=torch.tensor([0.9, 0.1])
    )
    sample.set_field(instances, "pred_instances", dtype=InstanceData)
    picture = WSOLVisualizationHook(score_thr=0.3).picture(sample)
    np.testing.assert_array_equal(picture[39, 5], PREDICTION)
    np.testing.assert_array_equal(picture[39, 50], (128, 128, 128))
    best_only = WSOLVisualizationHook(score_thr=0.95).picture(sample)
    np.testing.assert_array_equal(best_only, picture)
    sample.pred_instances = instances[:0]
    assert (WSOLVisualizationHook().picture(sample) == 128).all()


def test_interval_counts_images(samples, tmp_path):
    visualizer = Visualizer()
    runner = SimpleNamespace(visualizer=visualizer, epoch=1)
    hook = WSOLVisualizationHook(enable=True, interval=2, out_dir=str(tmp_path / "out"))
    hook.after_test_iter(runner, 0, outputs=samples)
    assert visualizer.names == ["scene0", "scene2"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "scene0.png",
        "scene2.png",
    ]
    WSOLVisualizationHook(enable=False).after_val_iter(runner, 0, outputs=samples)
    assert len(visualizer.names) == 2


def test_boxes_end_inside_the_exclusive_end():
    picture = draw_boxes(np.zeros((10, 10, 3), np.uint8), [[2, 3, 6, 8]], PREDICTION)
    ys, xs = np.nonzero(picture.any(axis=2))
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (2, 3, 5, 7)


def test_grid():
    picture = np.full((40, 80, 3), 50, np.uint8)
    grid = image_grid([[picture, picture], [picture, picture]], ["a", "b"], cell=64, gap=4)
    assert grid.shape == (24 + 2 * 68, 2 * 68 + 4, 3)
    np.testing.assert_array_equal(grid[30, 10], (50, 50, 50))
