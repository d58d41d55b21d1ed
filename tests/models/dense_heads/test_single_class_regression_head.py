"""SCR: one box for every image, taught by the largest of its boxes."""

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

pytest.importorskip("mmcv._ext")
from mmdet.structures import DetDataSample

from wsol_mm.models.dense_heads import SingleClassRegressionHead
from wsol_mm.registry import MODELS


@pytest.fixture(autouse=True)
def _mmdet_scope():
    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


def samples(*boxes_of_images, **meta):
    """Samples of 96 x 48 (w x h) inputs."""
    made = []
    for boxes in boxes_of_images:
        sample = DetDataSample(metainfo={"img_shape": (48, 96), "scale_factor": (2.0, 0.5), **meta})
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        )
        made.append(sample)
    return made


def head_that_says(fractions) -> SingleClassRegressionHead:
    head = SingleClassRegressionHead(in_channels=3, feat_channels=2)
    torch.nn.init.zeros_(head.fc_box.weight)
    head.fc_box.bias.data = torch.tensor(fractions).logit()
    return head


def feats(n):
    return (torch.full((n, 9, 5, 5), torch.nan), torch.randn(n, 3, 2, 4))


def test_loss_is_fifty_times_the_mean_square_of_fractions():
    head = head_that_says([0.25, 0.5, 0.5, 0.25])
    batch = samples([[24, 24, 72, 36]], [[0, 24, 96, 48]])
    # the first is exact; the second is 0, .5, 1, .5
    expected = 50 * (0.25**2 + 0 + 0.5**2 + 0.25**2) / 8
    assert head.loss(feats(2), batch)["loss_bbox"].item() == pytest.approx(expected, rel=1e-5)


def test_of_several_boxes_the_largest_teaches():
    head = head_that_says([0.25, 0.5, 0.5, 0.25])
    large, small = [24, 24, 72, 36], [0, 0, 20, 20]
    for boxes in ([small, large], [large, small]):
        assert head.loss(feats(1), samples(boxes))["loss_bbox"].item() < 1e-9


def test_images_without_boxes_teach_nothing():
    head = SingleClassRegressionHead(in_channels=3, feat_channels=2)
    maps = feats(2)
    mixed = head.loss(maps, samples([[10, 10, 50, 40]], []))["loss_bbox"]
    alone = head.loss(tuple(m[:1] for m in maps), samples([[10, 10, 50, 40]]))["loss_bbox"]
    assert torch.allclose(mixed, alone)
    none = head.loss(maps, samples([], []))["loss_bbox"]
    none.backward()
    assert none == 0
    assert all((p.grad == 0).all() for p in head.parameters())


def test_prediction_is_one_clipped_box_with_score_one():
    head = head_that_says([0.25, 0.5, 0.5, 0.75])
    for found in head.predict(feats(2), samples([], [])):
        # the bottom would be at 1.25 of the height
        assert torch.allclose(found.bboxes, torch.tensor([[24.0, 24, 72, 48]]))
        assert found.scores.tolist() == [1.0]
        assert found.labels.tolist() == [0]
    (found,) = head.predict(feats(1), samples([]), rescale=True)
    assert torch.allclose(found.bboxes, torch.tensor([[12.0, 48, 36, 96]]))


def test_detector_undoes_crops_and_learns_a_box():
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type="wsol_mm.BinaryClassDetector",
            eta=0.5,
            detector=dict(
                type="mmdet.SingleStageDetector",
                backbone=dict(
                    type="mmpretrain.ResNet", depth=18, base_channels=8, out_indices=(3,)
                ),
                bbox_head=dict(type="wsol_mm.SingleClassRegressionHead", in_channels=64),
            ),
        )
    )
    crop = np.array([[2.0, 0, -10], [0, 1, -4], [0, 0, 1]])
    batch = samples([[20, 12, 60, 36]], ori_shape=(60, 60), homography_matrix=crop)
    images = torch.randn(1, 3, 48, 96)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(40):
        loss = model.loss(images, batch)["loss_bbox"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.01
    model.train()  # one image: running statistics lag behind
    with torch.no_grad():
        (found,) = model.predict(images, batch)
    # ((x + 10) / 2, y + 4)
    expected = torch.tensor([[15.0, 16, 35, 40]])
    assert torch.allclose(found.pred_instances.bboxes.float(), expected, atol=2)
