"""Assigning and sampling a batch at once gives what mmdet gives image by image."""

import pytest
import torch
from mmengine.structures import InstanceData

pytest.importorskip("mmcv._ext")
from mmdet.models.task_modules import MaxIoUAssigner, PseudoSampler, RandomSampler
from mmdet.models.task_modules.samplers import OHEMSampler

from wsol_mm.functional.assigning import pad_rows
from wsol_mm.models.task_modules import BatchSamplingResult, can_batch, sample_batch

COUNTS = [1, 0, 3, 1, 1]
RPN = dict(pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3)
RCNN = dict(pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5, match_low_quality=False)
NEAREST = dict(pos_iou_thr=0.6, neg_iou_thr=(0.1, 0.4), gt_max_assign_all=False)


def random_boxes(count):
    corners = torch.rand(count, 2) * 60
    return torch.cat([corners, corners + 5 + torch.rand(count, 2) * 40], dim=1)


def instances(counts, **keys):
    return [
        InstanceData(bboxes=random_boxes(count), labels=torch.randint(0, 4, (count,)))
        for count in counts
    ]


def one_by_one(assigner, sampler, priors, truth, ignored):
    """mmdet's results of each image."""
    results = []
    for boxes, gt, ignore in zip(priors, truth, ignored, strict=True):
        predicted = InstanceData(priors=boxes)
        results.append(sampler.sample(assigner.assign(predicted, gt, ignore), predicted, gt))
    return results


def assert_equal(found, results):
    for kind in ("pos_priors", "neg_priors", "pos_gt_bboxes", "pos_gt_labels", "pos_is_gt"):
        joined = torch.cat([getattr(result, kind) for result in results])
        assert torch.equal(getattr(found, kind), joined), kind
    assert found.avg_factor == sum(result.avg_factor for result in results)
    images = [
        torch.full((len(part),), image)
        for kind in ("pos_inds", "neg_inds")
        for image, part in enumerate(getattr(result, kind) for result in results)
    ]
    assert torch.equal(found.rois[:, 0], torch.cat(images).float())
    assert torch.equal(found.rois[:, 1:], found.priors)


@pytest.mark.parametrize("keys", [RPN, RCNN, NEAREST], ids=["rpn", "rcnn", "nearest"])
@pytest.mark.parametrize("add_boxes", [True, False])
@pytest.mark.parametrize("regions", [None, True, False], ids=["plain", "candidates", "regions"])
def test_equal_where_everything_is_kept(keys, add_boxes, regions):
    torch.manual_seed(0)
    if regions is not None:
        keys = dict(keys, ignore_iof_thr=0.5, ignore_wrt_candidates=regions)
    assigner = MaxIoUAssigner(**keys)
    truth = instances(COUNTS)
    priors = [random_boxes(count) for count in (40, 20, 33, 1, 0)]
    # near the boxes, so that there are positives
    priors[0][:5] = truth[0].bboxes + torch.randn(5, 4)
    priors[2][:3] = truth[2].bboxes + torch.randn(3, 4)
    ignored = [None] * 5 if regions is None else [None, *instances([1, 2, 0, 1])]
    padded, present = pad_rows(priors)
    samplers = [RandomSampler(num=500, pos_fraction=0.5, add_gt_as_proposals=add_boxes)]
    for sampler in samplers if add_boxes else [*samplers, PseudoSampler()]:
        found = sample_batch(assigner, sampler, padded, truth, ignored, present)
        assert_equal(found, one_by_one(assigner, sampler, priors, truth, ignored))
        assert len(found.pos_inds) > 2


@pytest.mark.parametrize(("number", "bound"), [(16, -1), (16, 2), (24, -1)])
def test_equal_with_the_same_draws(number, bound, monkeypatch):
    torch.manual_seed(0)
    assigner = MaxIoUAssigner(pos_iou_thr=0.3, neg_iou_thr=0.3, min_pos_iou=0.3)
    truth = instances([1, 0, 3])
    priors = torch.stack([random_boxes(60) for _ in range(3)])
    priors[:, :20] = priors[:, :1] + torch.randn(3, 20, 4)
    truth[0].bboxes = priors[0, :1]
    sampler = RandomSampler(
        num=number, pos_fraction=0.5, neg_pos_ub=bound, add_gt_as_proposals=False
    )
    torch.manual_seed(1)
    found = sample_batch(assigner, sampler, priors, truth)
    torch.manual_seed(1)
    results = []
    for keys, boxes, gt in zip(torch.rand(3, 60), priors, truth, strict=True):
        monkeypatch.setattr(
            sampler,
            "random_choice",
            lambda gallery, size, keys=keys: gallery[keys[gallery].argsort()[:size]],
        )
        results += one_by_one(assigner, sampler, [boxes], [gt], [None])
    assert_equal(found, results)
    assert found.positives.sum(dim=1).max() == number // 2
    assert len(found.neg_inds) < 120  # fewer than there are


def test_both_draw_from_one_distribution():
    torch.manual_seed(0)
    assigner = MaxIoUAssigner(pos_iou_thr=0.5, neg_iou_thr=0.5, match_low_quality=False)
    box = torch.tensor([[10.0, 10, 50, 50]])
    (truth,) = instances([1])
    truth.bboxes = box
    # six positives, of which three are taken, and eight negatives, of which five are
    priors = torch.cat([box + torch.arange(6)[:, None], random_boxes(8) + 60])
    sampler = RandomSampler(num=8, pos_fraction=0.375, add_gt_as_proposals=False)
    count = 1500
    ours = sample_batch(assigner, sampler, priors.expand(count, -1, -1), [truth] * count)
    assert (ours.positives.sum(dim=1) == 3).all()
    assert (ours.negatives.sum(dim=1) == 5).all()
    theirs = torch.zeros(14)
    for result in one_by_one(assigner, sampler, [priors] * count, [truth] * count, [None] * count):
        theirs[result.pos_inds] += 1
        theirs[result.neg_inds] += 1
    shares = torch.tensor([1 / 2] * 6 + [5 / 8] * 8)
    spread = 5 * (shares * (1 - shares) / count).sqrt()
    for found in (ours.positives.sum(dim=0) + ours.negatives.sum(dim=0), theirs):
        assert ((found / count - shares).abs() < spread).all()


def test_a_batch_without_boxes_is_background():
    priors = random_boxes(10).expand(2, -1, -1)
    sampler = RandomSampler(num=4, pos_fraction=0.5)
    found = sample_batch(MaxIoUAssigner(**RPN), sampler, priors, instances([0, 0]))
    assert isinstance(found, BatchSamplingResult)
    assert len(found.pos_priors) == len(found.pos_gt_bboxes) == 0
    assert found.negatives.sum(dim=1).tolist() == [4, 4]
    assert found.avg_factor == 2 * (1 + 4)


def test_what_is_covered():
    plain, sampler = MaxIoUAssigner(**RPN), RandomSampler(num=4, pos_fraction=0.5)
    assert can_batch(plain, sampler)
    assert can_batch(plain, PseudoSampler())
    assert not can_batch(MaxIoUAssigner(**RPN, gpu_assign_thr=10), sampler)
    assert not can_batch(MaxIoUAssigner(**RPN, perm_repeat_gt_cfg=dict(iou_thr=0.9)), sampler)
    assert not can_batch(plain, OHEMSampler.__new__(OHEMSampler))
    assert not can_batch(type("Derived", (MaxIoUAssigner,), {})(**RPN), sampler)
