"""CausalCAMHead: two branches, the pool's place in a step, controls, state, precision, ranks."""

import copy
import multiprocessing
import socket

import causal_pool_rank
import pytest
import torch
from mmengine.model import ExponentialMovingAverage, StochasticWeightAverage
from mmengine.runner.checkpoint import load_state_dict
from mmpretrain.structures import DataSample

from wsol_mm.functional.context_pool import centre_prior, standardize_maps
from wsol_mm.models.heads import CausalCAMHead, CombinationalCAMHead

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch", "mmpretrain.models"])
CLASSES, CHANNELS, SIDE = 5, 4, 6


def build(**kwargs):
    torch.manual_seed(1)
    settings = {"combination": {"name": "neg_quadratic"}, "pool_size": SIDE, **kwargs}
    head = CausalCAMHead(CLASSES, CHANNELS, **settings)
    head.init_weights()
    torch.nn.init.normal_(head.fc.weight)
    return head


def filled(**kwargs):
    head = build(**kwargs)
    head.context_pool.copy_(standardize_maps(torch.randn(head.context_pool.shape)))
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
    convolution = head.projection
    one_hot = torch.zeros(4, CLASSES, SIDE, SIDE)
    for i, label in enumerate(labels):
        one_hot[i, label] = head.context_pool[label]
    enhanced = feats[0] * (1 + convolution(one_hot))
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
    logits = [filled().branches(feats, torch.full((4,), label))[3] for label in range(CLASSES)]
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
    torch.testing.assert_close(head.context_pool, expected, rtol=1e-4, atol=1e-5)
    assert not head.context_pool.requires_grad
    sum(losses.values()).backward()  # the update has not touched what this needs


def test_gradients_are_those_of_the_pool_that_was_used(feats):
    labels = labelled(0, 1, 2, 3)
    moving, still = filled(pool_update="argmax"), filled().eval()
    for head in (moving, still):
        sum(head.loss(feats, labels).values()).backward()
    assert not torch.equal(moving.context_pool, still.context_pool)
    for left, right in zip(moving.parameters(), still.parameters(), strict=True):
        assert torch.equal(left.grad, right.grad)


def test_update_before_use_is_two_calls_in_the_other_order(feats):
    labels = torch.tensor([0, 1, 2, 3])
    head = filled(update_order="before", pool_update="argmax")
    other = filled(pool_update="argmax").eval()
    loss = head.loss(feats, labelled(*labels.tolist()))["loss"]
    other.update(*other.first_branch(feats), labels)
    assert torch.equal(head.context_pool, other.context_pool)
    torch.testing.assert_close(loss, other.loss(feats, labelled(*labels.tolist()))["loss"])


@pytest.mark.parametrize("pool_update", ["correct", "argmax"])
def test_a_batch_without_a_correct_prediction(feats, pool_update):
    head = filled(pool_update=pool_update)
    before = head.context_pool.clone()
    labels = wrong(predicted(head, feats))
    losses = head.loss(feats, labelled(*labels.tolist()))
    assert all(value.isfinite() for value in losses.values())
    moved = (head.context_pool - before).abs().amax((1, 2)) > 1e-4
    hit = torch.zeros(CLASSES, dtype=torch.bool)
    hit[predicted(head, feats)] = pool_update == "argmax"
    assert torch.equal(moved, hit)


def test_a_class_never_seen_stays_zero_and_leaves_the_bias(feats):
    head = build()
    right = predicted(head, feats)
    head.loss(feats, labelled(*right.tolist()))
    unseen = [label for label in range(CLASSES) if label not in right]
    assert unseen
    assert (head.context_pool[unseen] == 0).all()
    assert head.context_pool[right].abs().amax((1, 2)).min() > 0.1
    scores = torch.nn.functional.one_hot(torch.tensor([unseen[0]] * 4), CLASSES).float()
    enhanced = head.enhance(feats[0], scores)
    torch.testing.assert_close(enhanced, feats[0] * (1 + head.projection.bias[:, None, None]))


def test_no_update_outside_of_training(feats):
    head = build().eval()
    head.loss(feats, labelled(*predicted(head, feats).tolist()))
    head.predict(feats)
    assert (head.context_pool == 0).all()


def test_soft_labels_of_mixed_images_count_by_their_larger_share(feats):
    head = build()
    right = predicted(head, feats)
    samples = labelled(*wrong(right).tolist())
    for sample, label in zip(samples, right.tolist(), strict=True):
        score = torch.zeros(CLASSES)
        score[label], score[sample.gt_label] = 0.7, 0.3
        sample.set_gt_score(score)
    head.loss(feats, samples)
    assert (head.context_pool[right] != 0).any()


def test_controls(feats):
    scores = torch.eye(CLASSES)[[4, 0, 2, 2]]
    columns = filled().projection.weight[:, :, 0, 0].t()
    bias = filled().projection.bias

    def attention(head):
        return head.enhance(torch.ones(4, CHANNELS, SIDE, SIDE), scores) - 1

    zero = build(pool="zero")
    torch.testing.assert_close(attention(zero), bias[:, None, None].expand(4, -1, SIDE, SIDE))
    gaussian = build(pool="gaussian")
    bump = centre_prior((SIDE, SIDE))
    torch.testing.assert_close(
        attention(gaussian)[0], columns[4][:, None, None] * bump + bias[:, None, None]
    )
    for head in (zero, gaussian):
        before = head.context_pool.clone()
        head.loss(feats, labelled(*predicted(head, feats).tolist()))
        assert torch.equal(head.context_pool, before)
    shuffled = filled(pool="shuffled")
    assert sorted(shuffled.context_of.tolist()) == list(range(CLASSES))
    assert (shuffled.context_of != torch.arange(CLASSES)).all()
    other = shuffled.context_pool[shuffled.context_of[4]]
    torch.testing.assert_close(
        attention(shuffled)[0], columns[4][:, None, None] * other + bias[:, None, None]
    )
    averaged = filled(pool="averaged")
    mean = torch.einsum("nc,nhw->chw", columns, averaged.context_pool) / CLASSES
    torch.testing.assert_close(
        attention(averaged), (mean + bias[:, None, None]).expand(4, -1, -1, -1)
    )


@pytest.mark.parametrize("pool", ["causal", "gaussian", "zero", "shuffled", "averaged"])
def test_every_control_trains(feats, pool):
    head = filled(pool=pool) if pool in ("causal", "shuffled", "averaged") else build(pool=pool)
    right = predicted(head, feats)
    sum(head.loss(feats, labelled(*right.tolist())).values()).backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_maps_of_another_size_are_resized_both_ways():
    head = filled()
    feats = (torch.randn(4, CHANNELS, 9, 3),)
    before = head.context_pool.clone()
    losses = head.loss(feats, labelled(*predicted(head, feats).tolist()))
    assert losses["loss"].isfinite()
    assert head.context_pool.shape == (CLASSES, SIDE, SIDE)
    assert not torch.equal(head.context_pool, before)
    assert head.predict(feats)[0].pred_maps.shape[1:] == (9, 3)


def test_half_precision_outside_does_not_reach_the_pool(feats):
    exact, mixed = filled(pool_update="argmax"), filled(pool_update="argmax")
    right = predicted(exact, feats).tolist()
    exact.loss(feats, labelled(*right))
    with torch.autocast("cpu", torch.bfloat16):
        losses = mixed.loss(feats, labelled(*right))
        assert mixed.pre_logits(feats).dtype == torch.float32
        (sample, *_) = mixed.eval().predict(feats)
    assert mixed.context_pool.dtype == sample.pred_maps.dtype == torch.float32
    sum(losses.values()).backward()
    torch.testing.assert_close(mixed.context_pool, exact.context_pool)
    assert mixed.projection.weight.grad.dtype == torch.float32


def test_features_of_half_precision_give_a_float32_pool(feats):
    head = filled(pool_update="argmax")
    with torch.autocast("cpu", torch.bfloat16):
        head.loss((feats[0].bfloat16(),), labelled(0, 1, 2, 3))
    assert head.context_pool.dtype == torch.float32
    assert head.context_pool.isfinite().all()


def test_resume_is_exact(feats):
    def steps(head, optimizer, count):
        for _ in range(count):
            losses = head.loss(feats, labelled(0, 1, 2, 3))
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()

    def start():
        head = build()
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
    assert whole.context_pool.abs().sum() > 0
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_a_classifier_without_its_pool_is_refused_even_when_loading_loosely():
    state = build().state_dict()
    whole = dict(state)
    assert {"context_pool", "projection.weight", "fc.weight"} < set(state)
    del state["context_pool"]
    with pytest.raises(RuntimeError, match=r"classifier \(fc.weight\) but no pool"):
        load_state_dict(build(), state, strict=False)
    with pytest.raises(RuntimeError, match=r"a pool of shape \(5, 6, 6\).*expected.*\(5, 7, 7\)"):
        build(pool_size=7).load_state_dict(whole, strict=False)
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
        assert torch.equal(averaged.module.context_pool, head.context_pool)
        assert head.context_pool.abs().sum() > 0
        assert not torch.equal(averaged.module.fc.weight, head.fc.weight)


def test_copies_keep_a_pool_of_their_own(feats):
    head = filled(pool_update="argmax")
    twin = copy.deepcopy(head)
    assert torch.equal(twin.context_pool, head.context_pool)
    head.loss(feats, labelled(0, 1, 2, 3))
    assert not torch.equal(twin.context_pool, head.context_pool)


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pool": "none"}, "pool='none': expected one of"),
        ({"pool_update": "label"}, "pool_update='label'"),
        ({"update_order": "never"}, "update_order='never'"),
        ({"pool_rate": 0.0}, "pool_rate=0.0 must be positive"),
        ({"pool_size": 0}, "pool_size=0"),
        ({"rho": -1.0}, "rho=-1.0 not negative"),
    ],
)
def test_refuses_what_has_no_meaning(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)


def test_the_projection_starts_as_the_convolution_it_stands_for():
    head = CausalCAMHead(200, 64, pool_size=14, combination={"name": "neg_quadratic"})
    head.init_weights()
    bound = 200**-0.5  # torch's default for 200 inputs of a 1x1 convolution
    for parameter in head.projection.parameters():
        assert 0.9 * bound < parameter.abs().max() <= bound
    assert head.fc.weight.std().item() == pytest.approx(0.01, rel=0.05)
