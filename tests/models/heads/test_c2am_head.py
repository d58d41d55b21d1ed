"""C2AM's head: losses, the probe without influence, the vote over the whole training set."""

import types

import pytest
import torch
from mmpretrain.structures import DataSample

from wsol_mm.engine.polarity_vote_hook import PolarityVoteHook
from wsol_mm.functional.c2am import disentangle, pull_loss, push_loss
from wsol_mm.models.heads import C2AMHead
from wsol_mm.models.heads.localizer_head import TappedFeatures


def labels(*values):
    return [DataSample().set_gt_label(value) for value in values]


def maps(seed=0, images=4):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((images, 3, 5, 5), (images, 5, 5, 5))
    return tuple(torch.rand(shape, generator=generator) for shape in shapes)


def build(**settings):
    torch.manual_seed(0)
    head = C2AMHead(num_classes=3, in_channels=8, **settings)
    head.init_weights()
    return head


def test_losses_are_those_of_the_functional_core():
    head, feats = build(alpha=0.75), maps()
    losses = head.loss(feats, labels(0, 1, 2, 0))
    assert set(losses) == {"loss_foreground", "loss_background", "loss_contrast", "loss_cls"}
    features = torch.cat(feats, dim=1)
    logits = torch.nn.functional.conv2d(features, head.disentangler[0].weight, padding=1)
    # a batch norm without scale and shift: a centred map
    logits = (logits - logits.mean()) / (logits.var(unbiased=False) + 1e-5).sqrt()
    foreground, background = disentangle(features, logits.sigmoid())
    torch.testing.assert_close(losses["loss_foreground"], pull_loss(foreground, 0.75))
    torch.testing.assert_close(losses["loss_background"], pull_loss(background, 0.75))
    torch.testing.assert_close(losses["loss_contrast"], push_loss(foreground, background))


@pytest.mark.parametrize("several", [False, True])
def test_what_is_tapped_stands_beside_the_last_feature(several):
    first, second = maps()
    tapped = tuple(first.split((1, 2), dim=1)) if several else first
    feats = TappedFeatures((second,), {"beside": tapped})
    torch.testing.assert_close(build().pre_logits(feats), torch.cat([first, second], dim=1))


def test_labels_have_no_part_in_the_map():
    head = build()
    feats = tuple(feat.requires_grad_() for feat in maps())
    losses = head.loss(feats, labels(0, 1, 2, 0))
    losses["loss_cls"].backward(retain_graph=True)
    assert all(feat.grad is None for feat in feats)
    assert head.disentangler[0].weight.grad is None
    assert head.fc.weight.grad.abs().sum() > 0
    losses["loss_contrast"].backward()
    assert all(feat.grad.abs().sum() > 0 for feat in feats)
    assert head.disentangler[0].weight.grad.abs().sum() > 0


def bright(head, border):
    """Feature maps of four images on which P is high at the border, or inside of it."""
    inside = torch.zeros(4, 1, 5, 5)
    inside[:, :, 1:-1, 1:-1] = 1
    features = (1 - inside if border else inside).expand(-1, 8, -1, -1)
    weight = torch.zeros(1, 8, 3, 3)
    weight[:, :, 1, 1] = 1
    head.disentangler[0].weight.data.copy_(weight)
    return features[:, :3], features[:, 3:]


def test_every_image_votes_and_the_majority_inverts():
    head = build()
    head.loss(bright(head, border=True), labels(0, 1, 2, 0))
    assert head.votes.tolist() == [4, 4]
    assert head.inverted
    head.eval()
    feats = bright(head, border=True)
    for sample in head.predict(feats, labels(0, 1, 2, 0)):
        assert sample.map_labels.tolist() == [-1]
        assert sample.pred_score.sum().item() == pytest.approx(1)
        (found,) = sample.pred_maps
        assert found[1:-1, 1:-1].min() > found[0].max()
    # two batches of the other kind outvote it
    head.train()
    for _ in range(2):
        head.loss(bright(head, border=False), labels(0, 1, 2, 0))
    assert head.votes.tolist() == [4, 12]
    assert not head.inverted


def test_the_vote_is_in_the_checkpoint():
    head = build()
    head.loss(bright(head, border=True), labels(0, 1, 2, 0))
    other = build()
    other.load_state_dict(head.state_dict(), strict=True)
    assert other.inverted


def test_the_hook_begins_anew_each_epoch():
    head, said = build(), []
    runner = types.SimpleNamespace(
        model=types.SimpleNamespace(head=head), logger=types.SimpleNamespace(info=said.append)
    )
    hook = PolarityVoteHook()
    hook.before_train(runner)
    head.loss(bright(head, border=True), labels(0, 1, 2, 0))
    hook.after_train_epoch(runner)
    assert "4 of 4 training images have an active border; maps are inverted" in said[0]
    hook.before_train_epoch(runner)
    assert head.votes.tolist() == [0, 0]
    assert not head.inverted
    runner.model.head = torch.nn.Identity()
    with pytest.raises(ValueError, match="Identity does not vote"):
        hook.before_train(runner)


def test_the_centred_map_has_no_scale_to_learn():
    assert {name for name, _ in build().named_parameters()} == {
        "disentangler.0.weight",
        "fc.weight",
        "fc.bias",
    }
    assert "disentangler.1.weight" in dict(build(affine=True).named_parameters())


def test_a_few_steps_of_fine_tuning_move_the_disentangler():
    """With weights drawn by fan-out, far larger ones, the same steps do not turn them."""
    torch.manual_seed(0)
    head = C2AMHead(num_classes=3, in_channels=256)
    head.init_weights()
    weight = head.disentangler[0].weight
    before = weight.detach().clone()
    optimizer = torch.optim.SGD([weight], lr=0.02, momentum=0.9)
    feats = (torch.rand(4, 256, 5, 5, generator=torch.Generator().manual_seed(0)) ** 4,)
    for _ in range(9):
        losses = head.loss(feats, labels(0, 1, 2, 0))
        optimizer.zero_grad()
        sum(losses[f"loss_{name}"] for name in ("foreground", "background", "contrast")).backward()
        optimizer.step()
    assert torch.cosine_similarity(weight.flatten(), before.flatten(), dim=0) < 0.9


def test_wrong_features_and_settings_are_named():
    head = build()
    first, second = maps()
    with pytest.raises(ValueError, match="maps of one size with 8 channels together"):
        head((first, second[..., ::2, ::2]))
    with pytest.raises(ValueError, match="set neck=None, and strides and out_indices"):
        head((first,))
    with pytest.raises(ValueError, match=r"\(4, 5, 3, 3\)\]; .* or model\.taps=dict\(beside"):
        head(TappedFeatures((second[..., ::2, ::2],), {"beside": first}))
    with pytest.raises(ValueError, match=r"alpha=-0\.1"):
        build(alpha=-0.1)


def worker(rank, folder):
    """One of two gloo processes, which see images of different kinds."""
    torch.set_num_threads(1)
    init = f"file://{folder}/rendezvous"
    torch.distributed.init_process_group("gloo", init_method=init, rank=rank, world_size=2)
    head = build()
    for _ in range(1 + rank):
        head.loss(bright(head, border=bool(rank)), labels(0, 1, 2, 0))
        if rank == 0:
            head.loss(bright(head, border=False), labels(0, 1, 2, 0))
    torch.save(head.votes, folder / f"rank{rank}.pth")
    torch.distributed.destroy_process_group()


def test_two_ranks_count_together(tmp_path, two_ranks):
    two_ranks(worker, tmp_path)
    votes = [torch.load(tmp_path / f"rank{rank}.pth").tolist() for rank in (0, 1)]
    # two batches of four on each rank, those of rank 1 with active borders
    assert votes == [[8, 16], [8, 16]]
