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
                img_id=f"{'ab'[index % 2]}/scene.jpg" if index < 2 else "scene2.jpg",
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


class OnGPU(torch.Tensor):
    """Refuses what a tensor on a GPU refuses."""

    def __array__(self, *_, **__):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def numpy(self, **_):
        return self.__array__()

    def cpu(self, **_):
        return self.as_subclass(torch.Tensor)


def test_what_a_detector_leaves_on_the_gpu_is_drawn(samples):
    """Its data preprocessor moves the true boxes there, too."""
    sample = DataSample(metainfo=dict(img_path=samples[0].img_path))
    found, truth = (
        torch.tensor([box]).as_subclass(OnGPU) for box in ([5.0, 5, 20, 40], [50.0, 5, 70, 40])
    )
    scores = torch.tensor([0.9]).as_subclass(OnGPU)
    instances = InstanceData(bboxes=found, scores=scores)
    sample.set_field(instances, "pred_instances", dtype=InstanceData)
    sample.set_field(InstanceData(bboxes=truth), "gt_instances", dtype=InstanceData)
    picture = WSOLVisualizationHook().picture(sample)
    np.testing.assert_array_equal(picture[39, 5], PREDICTION)
    np.testing.assert_array_equal(picture[39, 50], GROUND_TRUTH)


def test_interval_counts_images(samples, tmp_path):
    visualizer = Visualizer()
    runner = SimpleNamespace(visualizer=visualizer, epoch=1)
    hook = WSOLVisualizationHook(enable=True, interval=2, out_dir=str(tmp_path / "out"))
    hook.after_test_iter(runner, 0, outputs=samples)
    assert visualizer.names == ["a%2Fscene.jpg", "scene2.jpg"]
    written = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.png")]
    assert sorted(map(str, written)) == ["a/scene.jpg.png", "scene2.jpg.png"]
    WSOLVisualizationHook(enable=False).after_val_iter(runner, 0, outputs=samples)
    assert len(visualizer.names) == 2


def test_a_short_last_batch_does_not_move_the_count(samples):
    """Image 6 of batches of 2, 2, 2, 1 is drawn; a new loop starts at 0 again."""
    visualizer = Visualizer()
    runner = SimpleNamespace(visualizer=visualizer, epoch=1)
    hook = WSOLVisualizationHook(enable=True, interval=3)
    for number in range(7):
        samples.append(samples[0].clone())
        samples[-1].set_metainfo({"img_id": str(number)})
    for _ in range(2):
        hook.before_val_epoch(runner)
        for index, start in enumerate((0, 2, 4, 6)):
            hook.after_val_iter(runner, index, outputs=samples[3:][start : start + 2])
    assert visualizer.names == ["0", "3", "6"] * 2


def test_equal_names_in_two_folders_are_two_pictures(samples, tmp_path):
    runner = SimpleNamespace(visualizer=Visualizer(), epoch=1)
    hook = WSOLVisualizationHook(enable=True, interval=1, out_dir=str(tmp_path / "out"))
    hook.after_test_iter(runner, 0, outputs=samples[:2])
    assert len(list((tmp_path / "out").rglob("scene.jpg.png"))) == 2
    assert len(set(runner.visualizer.names)) == 2


def test_twelve_bits_in_sixteen_are_drawn_bright(samples, tmp_path):
    """As the data sets read them."""
    deep = np.full((60, 80), 2048, np.uint16)
    deep[0, 0] = 4095
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), deep)
    sample = DataSample(metainfo=dict(img_path=str(path)))
    instances = InstanceData(bboxes=torch.tensor([[5.0, 5, 20, 40]]), scores=torch.tensor([0.9]))
    sample.set_field(instances, "pred_instances", dtype=InstanceData)
    assert WSOLVisualizationHook().picture(sample)[50, 60].mean() == pytest.approx(128, abs=2)


def test_boxes_end_inside_the_exclusive_end():
    picture = draw_boxes(np.zeros((10, 10, 3), np.uint8), [[2, 3, 6, 8]], PREDICTION)
    ys, xs = np.nonzero(picture.any(axis=2))
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (2, 3, 5, 7)


def test_grid():
    picture = np.full((40, 80, 3), 50, np.uint8)
    grid = image_grid([[picture, picture], [picture, picture]], ["a", "b"], cell=64, gap=4)
    assert grid.shape == (24 + 2 * 68, 2 * 68 + 4, 3)
    np.testing.assert_array_equal(grid[30, 10], (50, 50, 50))
