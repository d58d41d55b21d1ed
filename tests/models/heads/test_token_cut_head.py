"""TokenCut in the model: tokens from the taps, maps that serve every class, sizes and patches."""

import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample

import wsol_mm.models  # noqa: F401
from wsol_mm.evaluation.protocols import get_protocol
from wsol_mm.evaluation.records import make_record
from wsol_mm.functional.tokencut import dense_eigenvector, token_graphs
from wsol_mm.models.heads import TappedFeatures, TokenCutHead


def classifier(patch_size=8, frozen=2, backbone=None, **head):
    cfg = dict(
        type="wsol_mm.WSOLClassifier",
        taps=dict(qkv="backbone.layers.1.attn.qkv", tokens="backbone.ln1"),
        backbone=dict(
            type="VisionTransformer",
            arch=dict(embed_dims=32, num_layers=2, num_heads=2, feedforward_channels=64),
            img_size=6 * patch_size,
            patch_size=patch_size,
            out_type="featmap",
            frozen_stages=frozen,
            **(backbone or {}),
        ),
        head=dict(type="wsol_mm.TokenCutHead", num_classes=3, in_channels=32, **head),
    )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(cfg)
    model.eval()
    return model


def features(grid=(4, 6), channels=8, extra=1):
    """The keys part the image: rows 1-2, columns 2-4 against the rest."""
    count = grid[0] * grid[1]
    keys = torch.zeros(*grid, channels)
    keys[..., 0] = 1
    keys[1:3, 2:5] = torch.nn.functional.one_hot(torch.tensor(1), channels).float()
    qkv = torch.randn(1, extra + count, 3 * channels)
    qkv[0, extra:, channels : 2 * channels] = keys.reshape(count, channels)
    tokens = torch.randn(1, extra + count, channels)
    score_map = tokens[:, extra:].mT.reshape(1, channels, *grid)
    return TappedFeatures((score_map,), {"qkv": qkv, "tokens": tokens})


@pytest.mark.parametrize("extra", [1, 5])
def test_logits_are_linear_in_class_token_and_mean_patch(extra):
    head = TokenCutHead(num_classes=3, in_channels=8)
    feats = features(extra=extra)
    tokens = feats.taps["tokens"]
    both = torch.cat([tokens[:, 0], tokens[:, extra:].mean(dim=1)], dim=1)
    torch.testing.assert_close(head(feats), both @ head.fc.weight.T + head.fc.bias)


def network_features(channels=6):
    """The same picture as positions of a convolutional network: keys, and a last map."""
    keys = features(channels=8).taps["qkv"][:, 1:, 8:16].mT.reshape(1, 8, 4, 6)
    return TappedFeatures((torch.randn(1, channels, 4, 6),), {"key_map": keys})


def test_positions_of_a_convolutional_network_are_cut_as_tokens_are():
    feats = network_features()
    head = TokenCutHead(num_classes=3, in_channels=6)
    expected = TokenCutHead(num_classes=3, in_channels=8).cut_maps(features())
    torch.testing.assert_close(head.cut_maps(feats), expected)
    mean = feats[-1].mean(dim=(2, 3))
    both = torch.cat([mean, mean], dim=1)
    torch.testing.assert_close(head(feats), both @ head.fc.weight.T + head.fc.bias)


def test_a_networks_own_classifier_of_the_mean_is_loaded():
    own, feats = torch.nn.Linear(6, 3), network_features()
    head = TokenCutHead(num_classes=3, in_channels=6)
    head.load_state_dict({f"fc.{name}": value for name, value in own.state_dict().items()})
    torch.testing.assert_close(head(feats), own(feats[-1].mean(dim=(2, 3))))
    # of class and patch tokens it would read a mixture that it never saw
    head = TokenCutHead(num_classes=3, in_channels=8)
    own = torch.nn.Linear(8, 3)
    head.load_state_dict({f"fc.{name}": value for name, value in own.state_dict().items()})
    with pytest.raises(ValueError, match="this backbone has class and patch tokens"):
        head(features())
    head.load_state_dict(TokenCutHead(num_classes=3, in_channels=8).state_dict())
    assert head(features()).shape == (1, 3)


@pytest.mark.parametrize("map_kind", ["eigenvector", "mask"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_key_that_is_none_gives_a_map_that_is_none(map_kind, value):
    whole = features()
    twice = TappedFeatures(
        (whole[-1].repeat(2, 1, 1, 1),),
        {name: tap.repeat(2, 1, 1) for name, tap in whole.taps.items()},
    )
    twice.taps["qkv"][1, 5, 9] = value
    maps = TokenCutHead(num_classes=3, in_channels=8, map_kind=map_kind).cut_maps(twice)
    assert maps[0].isfinite().all()
    assert maps[1].isnan().all()
    labels = torch.tensor([[-1]])
    sample = {"img_id": "a", "gt_label": 0, "ori_shape": (9, 9), "img_shape": (9, 9)}
    sample |= {"pred_maps": maps[1], "map_labels": labels[0], "homography_matrix": np.eye(3)}
    sample["gt_instances"] = {"bboxes": np.array([[1.0, 1, 5, 5]])}
    record = make_record(sample, get_protocol("wsolevaluation"))
    assert record.nan_map
    assert record.curve_any.max() == 0


def test_keys_of_another_size_than_the_last_map_are_refused():
    feats = TappedFeatures((torch.randn(1, 6, 2, 3),), network_features().taps)
    with pytest.raises(ValueError, match=r"'key_map' is a map of \(4, 6\), expected .* \(2, 3\)"):
        TokenCutHead(num_classes=3, in_channels=6).cut_maps(feats)


def test_the_map_is_high_on_the_object_and_serves_every_class():
    head = TokenCutHead(num_classes=3, in_channels=8)
    feats = features()
    (sample,) = head.predict(feats, [DataSample().set_gt_label(2)])
    assert sample.map_labels.tolist() == [-1]
    assert sample.pred_score.sum().item() == pytest.approx(1)
    (found,) = sample.pred_maps
    expected = np.zeros((4, 6), bool)
    expected[1:3, 2:5] = True
    assert np.array_equal((found > found.mean()).numpy(), expected)
    exact = dense_eigenvector(token_graphs(feats.taps["qkv"][:, 1:, 8:16])[0].numpy())
    exact *= np.sign(exact[np.abs(exact).argmax()])
    np.testing.assert_allclose(found.numpy().ravel(), exact, atol=1e-6)


def test_a_mask_is_tokencuts_own_object_in_pixels():
    head = TokenCutHead(num_classes=3, in_channels=8, map_kind="mask", mask_size=16)
    (sample,) = head.predict(features())
    (found,) = sample.pred_maps
    expected = torch.zeros(64, 96)
    expected[16:48, 32:80] = 1
    assert torch.equal(found, expected)


def test_taps_do_not_change_the_forward_result():
    model = classifier()
    image = torch.randn(2, 3, 48, 48)
    tapped = model.extract_feat(image)
    plain = model.backbone(image)
    assert len(tapped) == 1
    assert torch.equal(tapped[0], plain[0])
    assert torch.equal(tapped.taps["tokens"][:, 1:].mT.unflatten(2, (6, 6)), plain[0])


@pytest.mark.parametrize("patch_size", [14, 16])
@pytest.mark.parametrize("grid", [(6, 6), (4, 7)])
def test_other_patches_and_image_sizes(patch_size, grid):
    model = classifier(patch_size)
    # one pixel less than the last patch needs: the embedding pads
    image = torch.randn(2, 3, grid[0] * patch_size, grid[1] * patch_size - 1)
    samples = model.head.predict(model.extract_feat(image))
    assert [tuple(sample.pred_maps.shape) for sample in samples] == [(1, *grid)] * 2


def test_an_image_smaller_than_a_patch_is_one_token():
    model = classifier(16)
    for sample in model.head.predict(model.extract_feat(torch.randn(2, 3, 5, 9))):
        assert sample.pred_maps.tolist() == [[[0.0]]]
        assert sample.pred_score.isfinite().all()


def test_only_the_classifier_of_a_frozen_backbone_learns():
    model = classifier()
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert names == {"head.fc.weight", "head.fc.bias"}
    samples = [DataSample().set_gt_label(1), DataSample().set_gt_label(0)]
    model.loss(torch.randn(2, 3, 48, 48), samples)["loss"].backward()
    assert model.head.fc.weight.grad.abs().sum() > 0


def test_tokens_without_a_map_are_taken_as_square():
    head = TokenCutHead(num_classes=3, in_channels=8, extra_tokens=5)
    qkv, tokens = features(grid=(6, 6), extra=5).taps.values()
    (sample,) = head.predict(TappedFeatures([tokens], {"qkv": qkv}))
    assert sample.pred_maps.shape == (1, 6, 6)
    with pytest.raises(ValueError, match="extra_tokens"):
        head.predict(TappedFeatures([tokens[:, :-1]], {"qkv": qkv[:, :-1]}))


@pytest.mark.parametrize(
    ("name", "extra", "size", "side"),
    [("vit_tiny_patch16_224", 1, 64, 4), ("vit_small_patch14_reg4_dinov2", 5, 70, 5)],
)
def test_a_timm_backbone_through_mmpretrains_wrapper(name, extra, size, side):
    pytest.importorskip("timm")
    cfg = dict(
        type="wsol_mm.WSOLClassifier",
        taps=dict(qkv="backbone.timm_model.blocks.0.attn.qkv"),
        backbone=dict(type="TIMMBackbone", model_name=name, img_size=size, depth=1),
        head=dict(
            type="wsol_mm.TokenCutHead",
            num_classes=3,
            in_channels=192 if extra == 1 else 384,
            extra_tokens=extra,
        ),
    )
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(cfg)
    model.eval()
    with torch.no_grad():
        (sample,) = model.head.predict(model.extract_feat(torch.randn(1, 3, size, size)))
    assert sample.pred_maps.shape == (1, side, side)
    assert sample.pred_maps.std() > 0


@pytest.mark.parametrize("grid", [(1, 1), (5, 5)])
def test_constant_images_give_a_whole_image_not_a_crash(grid):
    qkv = torch.ones(1, 1 + grid[0] * grid[1], 24)
    score_map = qkv[:, 1:, :8].mT.unflatten(2, grid)
    feats = TappedFeatures((score_map,), {"qkv": qkv, "tokens": qkv[..., :8]})
    (sample,) = TokenCutHead(3, 8, map_kind="mask", mask_size=2).predict(feats)
    assert (sample.pred_maps == 1).all()
    (sample,) = TokenCutHead(3, 8).predict(feats)
    assert sample.pred_maps.isfinite().all()


def test_wrong_settings_and_features_are_named():
    with pytest.raises(ValueError, match="map_kind must be one of"):
        TokenCutHead(3, 8, map_kind="box")
    head = TokenCutHead(3, 8)
    with pytest.raises(ValueError, match=r"tap named 'tokens', got \[\].*the final norm"):
        head((torch.zeros(1, 8, 4, 4),))
    with pytest.raises(ValueError, match=r"expected tokens \(B, N, 8\), got \(1, 5, 16\)"):
        head((torch.zeros(1, 5, 16),))
    with pytest.raises(ValueError, match=r"tap named 'qkv'.*the last block's attn\.qkv"):
        head.predict((torch.zeros(1, 5, 8),))
