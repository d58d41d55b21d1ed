"""Networks whose last features are found by running them once."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from wsol_mm.models.feature_site import find_pooled_linear, find_target_layer, named_site
from wsol_mm.models.gradient_maps import extractor_class, gradient_maps


def images(size=64, count=2):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def tv(name, **more):
    torch.manual_seed(0)
    return getattr(torchvision.models, name)(weights=None, **more).eval()


def tm(name, **more):
    torch.manual_seed(0)
    return timm.create_model(name, pretrained=False, **more).eval()


POOLED = {
    "resnet18": (lambda: tv("resnet18"), "layer4", "fc"),
    "densenet": (lambda: tv("densenet121"), "features", "classifier"),
    "mobilenet": (lambda: tv("mobilenet_v2"), "features", "classifier.1"),
    "squeezenet": (lambda: tv("squeezenet1_1"), "classifier.2", None),
    "lite0": (lambda: tm("tf_efficientnet_lite0"), "bn2", "classifier"),
    "swin": (lambda: tv("swin_t"), "permute", "head"),
    "timm swin": (
        lambda: tm("swin_tiny_patch4_window7_224", img_size=64, window_size=2),
        "norm",
        "head.fc",
    ),
}


@pytest.mark.parametrize("name", POOLED)
def test_pooling_and_classifier_are_found(name):
    build, feature, linear = POOLED[name]
    network = build()
    # a linear layer that starts at zero would hide behind any other
    found = find_pooled_linear(network, images())
    assert (found.site.name, found.linear) == (feature, linear and network.get_submodule(linear))
    with torch.no_grad(), found.site.recorded() as maps:
        logits = network(images())
    (features,) = maps
    scores = features if linear is None else torch.einsum("kc,bchw->bkhw", found.weight(), features)
    bias = 0 if linear is None else found.linear.bias
    torch.testing.assert_close(scores.mean((2, 3)) + bias, logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "build",
    [
        lambda: tv("vgg11"),
        lambda: tv("convnext_tiny"),
        lambda: tm("vit_tiny_patch16_224", img_size=64),
    ],
)
def test_other_ends_are_none(build):
    assert find_pooled_linear(build(), images()) is None


TARGETS = {
    "vgg": (lambda: tv("vgg11"), "avgpool", "channels_first", (7, 7), 224),
    "convnext": (lambda: tv("convnext_tiny"), "features", "channels_first", (2, 2), 64),
    "vit": (
        lambda: tm("vit_tiny_patch16_224", img_size=64),
        "blocks.11.norm1",
        "tokens",
        (4, 4),
        64,
    ),
    "registers": (
        lambda: tm("vit_tiny_patch16_224", img_size=64, reg_tokens=4),
        "blocks.11.norm1",
        "tokens",
        (4, 4),
        64,
    ),
    "torchvision vit": (
        lambda: tv("vit_b_32", image_size=64),
        "encoder.layers.encoder_layer_11.ln_1",
        "tokens",
        (2, 2),
        64,
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_target_layer_is_the_last_that_counts(name):
    build, layer, layout, grid, size = TARGETS[name]
    network = build()
    if name == "torchvision vit":  # its classifier starts at zero
        nn.init.normal_(network.heads.head.weight)
    site = find_target_layer(network, images(size, 1))
    assert (site.name, site.layout, site.grid) == (layer, layout, grid)
    assert site == named_site(network, layer, images(size, 1))
    assert not any(parameter.grad is not None for parameter in network.parameters())


def test_tokens_become_the_grid_they_were_cut_from():
    network = tm("vit_tiny_patch16_224", img_size=64)
    site = find_target_layer(network, images(count=1))
    tokens = torch.arange(17.0).view(1, 17, 1)
    assert site.to_map(tokens)[0, 0].tolist() == torch.arange(1.0, 17).view(4, 4).tolist()


@torch.no_grad()
@pytest.mark.parametrize("method", ["grad_cam", "layer_cam", "eigen_cam", "hires_cam"])
def test_maps_of_a_transformer(method):
    network = tm("vit_tiny_patch16_224", img_size=64)
    site = find_target_layer(network, images(count=1))
    logits, labels, maps = gradient_maps(
        extractor_class(method), network, site, images(), lambda logits: logits.topk(2).indices
    )
    assert maps.shape == (2, 2, 4, 4)
    assert (maps >= 0).all()
    assert maps.any()
    torch.testing.assert_close(logits, network(images()))
    assert torch.equal(labels, logits.topk(2).indices)


def test_what_is_no_classifier_is_said():
    with pytest.raises(ValueError, match=r"expected a classifier that returns logits \(B, K\)"):
        find_pooled_linear(nn.Conv2d(3, 4, 3), images())
    with pytest.raises(ValueError, match=r"name one of model\.named_modules"):
        find_target_layer(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 2)), images())
    with pytest.raises(ValueError, match=r"'fc' must run once and give .* \[\(1, 1000\)\]"):
        named_site(tv("resnet18"), "fc", images(count=1))
