"""CausalCAMHead: two branches, the pool's place in a step, its effect, state, precision, ranks."""

import copy
import multiprocessing
import socket

import causal_pool_rank
import numpy as np
import pytest
import torch
from mmengine.model import ExponentialMovingAverage, StochasticWeightAverage
from mmengine.runner.checkpoint import load_state_dict
from mmpretrain.structures import DataSample

from wsol_mm.functional.context_pool import standardize_maps
from wsol_mm.models.heads import CausalCAMHead, CombinationalCAMHead
from wsol_mm.registry import MODELS

CONTEXT = multiprocessing.get_context("forkserver")
CLASSES, CHANNELS, SIDE = 5, 4, 6


def build(*, rho=1.0, cal_acc=False, type="wsol_mm.CausalContextPool", **pool):
    torch.manual_seed(1)
    head = CausalCAMHead(
        CLASSES,
        CHANNELS,
        context_pool={"type": type, "size": SIDE, **pool},
        combination={"name": "neg_quadratic"},
        rho=rho,
        cal_acc=cal_acc,
    )
    head.init_weights()
    torch.nn.init.normal_(head.fc.weight)
    return head


def filled(**kwargs):
    head = build(**kwargs)
    contexts = head.context_pool.contexts
    contexts.copy_(standardize_maps(torch.randn(contexts.shape)))
    return head


def labelled(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


@pytest.fixture
def feats():
    return (torch.randn(4, CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(0)),)


def predicted(head, feats):
    return head.class_scores(feats[0]).argmax(dim=1)


def wrong(labels):
    return (labels + 1) % CLASSES


def test_second_branch_is_the_first_on_enhanced_features(feats):
    head = filled().eval()
    labels = predicted(head, feats)
    pool = head.context_pool
    one_hot = torch.zeros(4, CLASSES, SIDE, SIDE)
    for i, label in enumerate(labels):
        one_hot[i, label] = pool.contexts[label]
    enhanced = feats[0] * (1 + pool.projection(one_hot))
    torch.testing.assert_close(head(feats), head.fc(enhanced.mean((2, 3))))
    plain = CombinationalCAMHead(CLASSES, CHANNELS, combination={"name": "neg_quadratic"}).eval()
    plain.fc.load_state_dict(head.fc.state_dict())
    for ours, theirs in zip(head.predict(feats), plain.predict((enhanced,)), strict=True):
        torch.testing.assert_close(ours.pred_maps, theirs.pred_maps, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours.pred_score, theirs.pred_score)


@pytest.mark.parametrize("rho", [1.0, 0.25, 0.0])
def test_losses(feats, rho):
    head = filled(rho=rho, cal_acc=True).eval()
    targets = torch.tensor([0, 1, 2, 3])
    losses = head.loss(feats, labelled(*targets.tolist()))
    cross_entropy = torch.nn.functional.cross_entropy
    torch.testing.assert_close(losses["loss"], cross_entropy(head(feats), targets))
    assert ("loss_first" in losses) == bool(rho)
    if rho:
        first = cross_entropy(head.class_scores(feats[0]), targets)
        torch.testing.assert_close(losses["loss_first"], rho * first)
    assert "accuracy_top-1" in losses


def test_labels_never_reach_the_forward_pass(feats):
    logits = [
        filled().branches(feats, torch.full((4,), label)).enhanced_scores
        for label in range(CLASSES)
    ]
    assert all(torch.equal(other, logits[0]) for other in logits)


def test_a_step_uses_the_old_pool_and_then_updates_it_from_correct_predictions(feats):
    head = build()
    right = predicted(head, feats)
    labels = right.clone()
    labels[0] = wrong(right)[0]
    losses = head.loss(feats, labelled(*labels.tolist()))
    fresh = build().eval()
    torch.testing.assert_close(
        losses["loss"], fresh.loss(feats, labelled(*labels.tolist()))["loss"]
    )
    sums = torch.zeros(CLASSES, SIDE, SIDE)
    for i in range(1, 4):
        sums[right[i]] += torch.einsum("c,chw->hw", head.fc.weight[right[i]], feats[0][i])
    expected = standardize_maps(0.01 * standardize_maps(sums)).detach()
    torch.testing.assert_close(head.context_pool.contexts, expected, rtol=1e-4, atol=1e-5)
    assert not head.context_pool.contexts.requires_grad
    sum(losses.values()).backward()  # the update has not touched what this needs


def test_gradients_are_those_of_the_pool_that_was_used(feats):
    labels = labelled(0, 1, 2, 3)
    moving, still = filled(update_on="argmax"), filled().eval()
    for head in (moving, still):
        sum(head.loss(feats, labels).values()).backward()
    assert not torch.equal(moving.context_pool.contexts, still.context_pool.contexts)
    for left, right in zip(moving.parameters(), still.parameters(), strict=True):
        assert torch.equal(left.grad, right.grad)


def test_update_before_use_is_two_calls_in_the_other_order(feats):
    labels = torch.tensor([0, 1, 2, 3])
    head = filled(update_order="before", update_on="argmax")
    other = filled(update_on="argmax").eval()
    loss = head.loss(feats, labelled(*labels.tolist()))["loss"]
    other.update_pool(*other.first_branch(feats), labels)
    assert torch.equal(head.context_pool.contexts, other.context_pool.contexts)
    torch.testing.assert_close(loss, other.loss(feats, labelled(*labels.tolist()))["loss"])


@pytest.mark.parametrize("update_on", ["correct", "argmax"])
def test_a_batch_without_a_correct_prediction(feats, update_on):
    head = filled(update_on=update_on)
    before = head.context_pool.contexts.clone()
    labels = wrong(predicted(head, feats))
    losses = head.loss(feats, labelled(*labels.tolist()))
    assert all(value.isfinite() for value in losses.values())
    moved = (head.context_pool.contexts - before).abs().amax((1, 2)) > 1e-4
    hit = torch.zeros(CLASSES, dtype=torch.bool)
    hit[predicted(head, feats)] = update_on == "argmax"
    assert torch.equal(moved, hit)


def test_a_class_never_seen_stays_zero_and_leaves_the_bias(feats):
    head = build()
    right = predicted(head, feats)
    head.loss(feats, labelled(*right.tolist()))
    unseen = [label for label in range(CLASSES) if label not in right]
    assert unseen
    assert (head.context_pool.contexts[unseen] == 0).all()
    assert head.context_pool.contexts[right].abs().amax((1, 2)).min() > 0.1
    scores = torch.nn.functional.one_hot(torch.tensor([unseen[0]] * 4), CLASSES).float()
    enhanced = head.context_pool(feats[0], scores)
    torch.testing.assert_close(
        enhanced, feats[0] * (1 + head.context_pool.projection.bias[:, None, None])
    )


def test_no_update_outside_of_training(feats):
    head = build().eval()
    head.loss(feats, labelled(*predicted(head, feats).tolist()))
    head.predict(feats)
    assert (head.context_pool.contexts == 0).all()


def test_soft_labels_of_mixed_images_count_by_their_larger_share(feats):
    head = build()
    right = predicted(head, feats)
    samples = labelled(*wrong(right).tolist())
    for sample, label in zip(samples, right.tolist(), strict=True):
        score = torch.zeros(CLASSES)
        score[label], score[sample.gt_label] = 0.7, 0.3
        sample.set_gt_score(score)
    head.loss(feats, samples)
    assert (head.context_pool.contexts[right] != 0).any()


def test_maps_of_another_size_are_resized_both_ways():
    head = filled()
    feats = (torch.randn(4, CHANNELS, 9, 3),)
    before = head.context_pool.contexts.clone()
    losses = head.loss(feats, labelled(*predicted(head, feats).tolist()))
    assert losses["loss"].isfinite()
    assert head.context_pool.contexts.shape == (CLASSES, SIDE, SIDE)
    assert not torch.equal(head.context_pool.contexts, before)
    assert head.predict(feats)[0].pred_maps.shape[1:] == (9, 3)


def test_half_precision_outside_does_not_reach_the_pool(feats):
    exact, mixed = filled(update_on="argmax"), filled(update_on="argmax")
    right = predicted(exact, feats).tolist()
    exact.loss(feats, labelled(*right))
    with torch.autocast("cpu", torch.bfloat16):
        losses = mixed.loss(feats, labelled(*right))
        assert mixed.pre_logits(feats).dtype == torch.float32
        (sample, *_) = mixed.eval().predict(feats)
    assert mixed.context_pool.contexts.dtype == sample.pred_maps.dtype == torch.float32
    sum(losses.values()).backward()
    torch.testing.assert_close(mixed.context_pool.contexts, exact.context_pool.contexts)
    assert mixed.context_pool.projection.weight.grad.dtype == torch.float32


def test_features_of_half_precision_give_a_float32_pool(feats):
    head = filled(update_on="argmax")
    with torch.autocast("cpu", torch.bfloat16):
        head.loss((feats[0].bfloat16(),), labelled(0, 1, 2, 3))
    assert head.context_pool.contexts.dtype == torch.float32
    assert head.context_pool.contexts.isfinite().all()


def test_resume_is_exact(feats):
    def steps(head, optimizer, count):
        for _ in range(count):
            losses = head.loss(feats, labelled(0, 1, 2, 3))
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()

    def start():
        head = build(update_on="argmax")
        return head, torch.optim.Adam(head.parameters(), lr=0.05)

    whole, optimizer = start()
    steps(whole, optimizer, 6)
    first, optimizer = start()
    steps(first, optimizer, 3)
    state = copy.deepcopy((first.state_dict(), optimizer.state_dict()))
    second, optimizer = start()
    second.load_state_dict(state[0])
    optimizer.load_state_dict(state[1])
    steps(second, optimizer, 3)
    assert whole.context_pool.contexts.abs().sum() > 0
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_a_classifier_without_its_pool_is_refused_even_when_loading_loosely():
    state = build().state_dict()
    whole = dict(state)
    names = {"context_pool.contexts", "context_pool.projection.weight", "fc.weight"}
    assert names < set(state)
    del state["context_pool.contexts"]
    with pytest.raises(RuntimeError, match=r"\(fc.weight\) but for context_pool.contexts none"):
        load_state_dict(build(), state, strict=False)
    with pytest.raises(RuntimeError, match=r"one of shape \(5, 6, 6\), expected shape \(5, 7, 7\)"):
        build(size=7).load_state_dict(whole, strict=False)
    # a backbone alone, as pretraining gives it
    load_state_dict(build(), {"backbone.weight": torch.zeros(1)}, strict=False)


def test_averaged_models_copy_the_pool(feats):
    for average in (ExponentialMovingAverage, StochasticWeightAverage):
        head = build()
        averaged = average(head)
        optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
        for _ in range(3):
            sum(head.loss(feats, labelled(*predicted(head, feats).tolist())).values()).backward()
            optimizer.step()
            averaged.update_parameters(head)
        assert torch.equal(averaged.module.context_pool.contexts, head.context_pool.contexts)
        assert head.context_pool.contexts.abs().sum() > 0
        assert not torch.equal(averaged.module.fc.weight, head.fc.weight)


def test_copies_keep_a_pool_of_their_own(feats):
    head = filled(update_on="argmax")
    twin = copy.deepcopy(head)
    assert torch.equal(twin.context_pool.contexts, head.context_pool.contexts)
    head.loss(feats, labelled(0, 1, 2, 3))
    assert not torch.equal(twin.context_pool.contexts, head.context_pool.contexts)


def test_two_ranks_hold_the_pool_of_one_process(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [
        CONTEXT.Process(target=causal_pool_rank.main, args=(tmp_path, rank, 2, port))
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    single = causal_pool_rank.train(causal_pool_rank.build(), 0, 1)
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    ranks = [torch.load(tmp_path / f"rank_{rank}.pt", weights_only=True) for rank in range(2)]
    assert single[0].abs().sum() > 0
    assert not torch.equal(single[0], single[3])
    for first, second, whole in zip(*ranks, single, strict=True):
        assert torch.equal(first, second)
        torch.testing.assert_close(first, whole, rtol=0, atol=1e-4)


def test_a_step_logs_what_the_pool_did(feats):
    head = filled().eval()
    losses = head.loss(feats, labelled(0, 1, 2, 3))
    X, z, enhanced, z_e = head.branches(feats, torch.arange(4))
    change = [
        (after - before).norm() / before.norm() for before, after in zip(X, enhanced, strict=True)
    ]
    maps = [head.combined_maps(*branch)[:, 0].detach() for branch in ((X, z), (enhanced, z_e))]
    correlations = [
        np.corrcoef(first.flatten().numpy(), second.flatten().numpy())[0, 1]
        for first, second in zip(*maps, strict=True)
    ]
    assert losses["enhancement"].item() == pytest.approx(torch.stack(change).mean().item())
    assert losses["map_correlation"].item() == pytest.approx(np.mean(correlations), abs=1e-5)
    assert losses["map_correlation"] < 0.999
    assert not any(losses[key].requires_grad for key in ("enhancement", "map_correlation"))
    still = build(type="wsol_mm.ZeroContextPool").eval()
    torch.nn.init.zeros_(still.context_pool.projection.bias)
    losses = still.loss(feats, labelled(0, 1, 2, 3))
    assert losses["enhancement"] == 0
    assert losses["map_correlation"].item() == pytest.approx(1.0)


class Doubled(torch.nn.Module):
    """Somebody else's pool: no buffer, no update."""

    update_order = "after"

    def __init__(self, num_classes, channels, factor):
        super().__init__()
        self.factor = factor

    def forward(self, features, scores):
        return self.factor * features

    def update(self, maps, predicted, labels):
        self.seen = maps.shape, predicted, labels


def test_a_pool_of_ones_own_takes_its_place(feats):
    MODELS.register_module(module=Doubled, force=True)
    head = CausalCAMHead(
        CLASSES,
        CHANNELS,
        context_pool={"type": "wsol_mm.Doubled", "factor": 2.0},
        combination={"name": "linear"},
    )
    assert torch.equal(head.pre_logits(feats), 2 * feats[0])
    head.loss(feats, labelled(0, 1, 2, 3))
    shape, own, labels = head.context_pool.seen
    assert shape == (4, SIDE, SIDE)
    assert torch.equal(own, predicted(head, feats))
    assert labels.tolist() == [0, 1, 2, 3]


def test_refuses_a_negative_weight():
    with pytest.raises(ValueError, match=r"rho=-1\.0: expected 0 or more"):
        build(rho=-1.0)
