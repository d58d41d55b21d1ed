"""A frozen backbone stays as it is, and kept tokens stand for images."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample

import wsol_mm.models  # noqa: F401


def classifier(head="SDCAMHead", **keys):
    cfg = dict(
        type="wsol_mm.FrozenClassifier",
        taps=dict(qkv="backbone.layers.1.attn.qkv", tokens="backbone.ln1"),
        backbone=dict(
            type="VisionTransformer",
            arch=dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64),
            img_size=24,
            patch_size=8,
            out_type="featmap",
            drop_rate=0.5,
            drop_path_rate=0.5,
        ),
        head=dict(type=f"wsol_mm.{head}", num_classes=3, in_channels=32),
        **keys,
    )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg)


def samples(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


@pytest.mark.parametrize("head", ["SDCAMHead", "TokenCutHead"])
def test_only_the_head_learns_and_dropout_rests(head):
    model = classifier(head).train()
    assert not any(module.training for module in model.backbone.modules())
    assert model.head.training
    image = torch.randn(2, 3, 24, 24)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, weight_decay=0.1)
    first = model.loss(image, samples(0, 2))
    second = model.loss(image, samples(0, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    sum(first.values()).backward()
    optimizer.step()
    changed = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == {name for name in before if name.startswith("head.")}


@pytest.mark.parametrize("head", ["SDCAMHead", "TokenCutHead"])
def test_kept_tokens_give_the_losses_of_their_images(head):
    model = classifier(head).train()
    image = torch.randn(2, 3, 24, 24)
    kept = samples(0, 2)
    for sample, tokens in zip(kept, model.pooled_tokens(image), strict=True):
        sample.set_data({"tokens": tokens})
    calls = []
    model.backbone.register_forward_hook(lambda *_: calls.append(1))
    cached = model.loss(image.new_empty(2, 3, 0, 0), kept)
    assert not calls
    plain = model.loss(image, samples(0, 2))
    assert set(plain) == set(cached)
    for name in plain:
        torch.testing.assert_close(cached[name], plain[name], rtol=0, atol=0)


def test_erasing_is_refused():
    with pytest.raises(ValueError, match="erasing would train the backbone"):
        classifier(erasing=dict(after="backbone.ln1", layer=dict(type="ReLU")))
