"""Map sizes, published sizes, and names that mmpretrain's ImageNet checkpoints fill."""

import pytest
import torch
from mmpretrain.models.backbones import VGG, InceptionV3

from wsol_mm.models.backbones import VGGGAP, InceptionV3Maps


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("build", "size", "shape"),
    [
        (lambda: VGGGAP(), 224, (1024, 14, 14)),
        (lambda: VGGGAP(out_stride=8, out_channels=512), 224, (512, 28, 28)),
        (lambda: VGGGAP(out_channels=None), 224, (512, 14, 14)),
        (lambda: VGGGAP(pools="acol", out_channels=None), 224, (512, 14, 14)),
        (lambda: VGGGAP(out_stride=8, pools="acol"), 224, (1024, 28, 28)),
        (lambda: VGGGAP(pools="spg"), 224, (1024, 14, 14)),
        (lambda: VGGGAP(out_stride=8, pools="spg"), 224, (1024, 28, 28)),
        (lambda: InceptionV3Maps(), 299, (768, 17, 17)),
        (lambda: InceptionV3Maps("dense"), 224, (768, 28, 28)),
    ],
)
def test_map_sizes(build, size, shape):
    with torch.device("meta"):
        (output,) = build()(torch.zeros(2, 3, size, size))
    assert output.shape == (2, *shape)


def test_parameter_counts():
    with torch.device("meta"):
        # torchvision's trunk plus 512 * 1024 * 9 + 1024
        assert count(VGGGAP()) == 14_714_688 + 4_719_616
        # 27,161,264 of torchvision's whole network, less its auxiliary classifier (3,326,696),
        # Mixed_7a-c (1,698,304 + 5,044,608 + 6,076,800) and fc (2,049,000)
        assert count(InceptionV3Maps()) == 8_965_856


@pytest.mark.parametrize("out_stride", [8, 16])
def test_vgg_takes_every_trunk_weight_of_mmpretrains_vgg16(out_stride):
    with torch.device("meta"):
        theirs = VGG(depth=16, num_classes=1000).state_dict()
        ours = VGGGAP(out_stride=out_stride).state_dict()
    trunk = {name: value.shape for name, value in theirs.items() if name.startswith("features.")}
    assert trunk == {
        name: value.shape for name, value in ours.items() if not name.startswith("conv6.")
    }


@pytest.mark.parametrize("layout", ["original", "dense"])
def test_inception_takes_every_weight_before_the_cut(layout):
    with torch.device("meta"):
        theirs = InceptionV3(aux_logits=True).state_dict()
        ours = InceptionV3Maps(layout).state_dict()
    behind = ("Mixed_7", "AuxLogits", "fc")
    assert {name: value.shape for name, value in ours.items()} == {
        name: value.shape for name, value in theirs.items() if not name.startswith(behind)
    }


def test_pretrained_weights_are_read_from_an_mmpretrain_checkpoint(tmp_path):
    torch.manual_seed(0)
    trunk = VGG(depth=16, with_last_pool=False).state_dict()
    path = tmp_path / "vgg16.pth"
    torch.save({"state_dict": {f"backbone.{name}": value for name, value in trunk.items()}}, path)
    pretrained = {"type": "Pretrained", "checkpoint": str(path), "prefix": "backbone."}
    backbone = VGGGAP(out_channels=8, init_cfg=pretrained)
    backbone.init_weights()
    for name, value in trunk.items():
        assert torch.equal(backbone.state_dict()[name], value), name
    assert backbone.conv6.conv.bias.abs().max() == 0
    # fan-out of a 3x3 convolution to 8 channels: variance 2 / (8 * 9)
    assert backbone.conv6.conv.weight.std().item() == pytest.approx((2 / 72) ** 0.5, rel=0.03)


def test_vgg_equals_mmpretrains_trunk_and_drops_the_last_poolings():
    torch.manual_seed(0)
    theirs = VGG(depth=16, with_last_pool=False)
    ours = VGGGAP(out_channels=4)
    ours.load_state_dict(theirs.state_dict(), strict=False)
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(image)[0], ours.conv6(theirs(image)[0]))


@pytest.mark.parametrize("out_stride", [8, 16])
def test_acols_poolings_are_padded_3x3_and_end_without_stride(out_stride):
    torch.manual_seed(0)
    plain, acol = VGG(depth=16), VGGGAP(out_stride, out_channels=None, pools="acol")
    acol.load_state_dict(plain.state_dict(), strict=True)
    x = image = torch.randn(1, 3, 32, 32)
    strides = iter([2, 2, 2, 2 if out_stride == 16 else 1, 1])
    with torch.no_grad():
        for layer in plain.features:
            if isinstance(layer, torch.nn.MaxPool2d):
                x = torch.nn.functional.max_pool2d(x, 3, next(strides), padding=1)
            else:
                x = layer(x)
        x = torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1)
        torch.testing.assert_close(acol(image)[0], x)


def test_spgs_fourth_pooling_alone_is_padded_3x3():
    def poolings(backbone):
        return [
            (i, layer.kernel_size, layer.stride, layer.padding)
            for i, layer in enumerate(backbone.features)
            if isinstance(layer, torch.nn.MaxPool2d)
        ]

    with torch.device("meta"):
        plain = [(i, 2, 2, 0) for i in (2, 5, 9)]
        assert poolings(VGGGAP(pools="spg")) == [*plain, (13, 3, 2, 1)]
        # without the fourth there is nothing to change
        assert poolings(VGGGAP(8, pools="spg")) == poolings(VGGGAP(8)) == plain


def test_original_inception_equals_mmpretrains_up_to_the_cut():
    torch.manual_seed(0)
    theirs = InceptionV3(num_classes=2)
    ours = InceptionV3Maps()
    ours.load_state_dict(theirs.state_dict(), strict=False)
    seen = []
    theirs.Mixed_6e.register_forward_hook(lambda _module, _args, output: seen.append(output))
    theirs.eval()
    ours.eval()
    image = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        theirs(image)
        torch.testing.assert_close(ours(image)[0], seen[0])


def test_dense_inception_has_the_references_stem_sizes():
    sizes = []
    with torch.device("meta"):
        backbone = InceptionV3Maps("dense")
        for name in ("Conv2d_1a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_4a_3x3", "maxpool2"):
            getattr(backbone, name).register_forward_hook(
                lambda _module, _args, output: sizes.append(output.shape[-1])
            )
        backbone(torch.zeros(2, 3, 224, 224))
    assert sizes == [112, 110, 56, 54, 28]


def test_vgg_modes_chain_and_no_class_number_is_claimed():
    with torch.device("meta"):
        backbone = VGGGAP()
    assert backbone.eval() is backbone
    assert not backbone.conv6.training
    assert not hasattr(backbone, "num_classes")


@pytest.mark.parametrize(
    "build",
    [
        lambda: VGGGAP(out_stride=32),
        lambda: VGGGAP(pools="3x3"),
        lambda: InceptionV3Maps("padded"),
    ],
)
def test_unknown_layouts_are_refused(build):
    with pytest.raises(ValueError, match="must be"):
        build()


def test_causal_vgg_is_leaky_throughout_and_can_have_two_more_convolutions():
    torch.manual_seed(0)
    bare = VGGGAP(out_channels=None, negative_slope=0.2)
    long = VGGGAP(out_channels=(6, 5), negative_slope=0.2)
    assert sum(isinstance(m, torch.nn.LeakyReLU) for m in bare.modules()) == 13
    assert not any(isinstance(m, torch.nn.ReLU) for m in long.modules())
    long.load_state_dict(bare.state_dict(), strict=False)
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        (trunk,) = bare(image)
        assert trunk.shape == (1, 512, 2, 2)
        assert (trunk < 0).any()
        expected = trunk
        for unit in long.conv6:
            expected = torch.nn.functional.leaky_relu(unit.conv(expected), 0.2)
        torch.testing.assert_close(long(image)[0], expected)
    names = {name for name in long.state_dict() if not name.startswith("features.")}
    assert names == {f"conv6.{i}.conv.{kind}" for i in (0, 1) for kind in ("weight", "bias")}


def test_poolings_stand_where_the_causal_configs_insert_their_blocks():
    with torch.device("meta"):
        layers = VGGGAP(out_channels=None, negative_slope=0.2).features
    pools = [i for i, layer in enumerate(layers) if isinstance(layer, torch.nn.MaxPool2d)]
    assert pools == [2, 5, 9, 13]
    assert len(layers) == 17
