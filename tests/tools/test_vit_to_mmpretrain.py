"""The converter of published transformers, on synthetic state dicts of their names and shapes."""

import sys
from pathlib import Path

import pytest
import torch
from mmpretrain.models.backbones import DistilledVisionTransformer, VisionTransformer

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "model_converters"))

from vit_to_mmpretrain import convert, main, unpack  # noqa: E402


def published(width=384, depth=12, tokens=197, patch=16, scale=False, distilled=False):
    """Names and shapes of the published ViT-S/16 files, with values that tell keys apart."""
    shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, tokens, width),
        "patch_embed.proj.weight": (width, 3, patch, patch),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    if distilled:
        shapes["dist_token"] = (1, 1, width)
    for i in range(depth):
        block = {
            "norm1.weight": (width,),
            "norm1.bias": (width,),
            "attn.qkv.weight": (3 * width, width),
            "attn.qkv.bias": (3 * width,),
            "attn.proj.weight": (width, width),
            "attn.proj.bias": (width,),
            "norm2.weight": (width,),
            "norm2.bias": (width,),
            "mlp.fc1.weight": (4 * width, width),
            "mlp.fc1.bias": (4 * width,),
            "mlp.fc2.weight": (width, 4 * width),
            "mlp.fc2.bias": (width,),
        }
        if scale:
            block |= {"ls1.gamma": (width,), "ls2.gamma": (width,)}
        shapes |= {f"blocks.{i}.{name}": shape for name, shape in block.items()}
    generator = torch.Generator().manual_seed(0)
    return {name: 0.02 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def reference_forward(state, image, heads, depth):
    """The published network's class token and patch tokens, written out."""
    width = state["cls_token"].shape[-1]
    norm = torch.nn.functional.layer_norm
    patch = state["patch_embed.proj.weight"].shape[-1]
    x = torch.nn.functional.conv2d(
        image, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=patch
    )
    x = torch.cat([state["cls_token"], x.flatten(2).mT], 1) + state["pos_embed"]

    def linear(name, value):
        return torch.nn.functional.linear(value, state[f"{name}.weight"], state[f"{name}.bias"])

    for i in range(depth):
        b = f"blocks.{i}"
        y = norm(x, (width,), state[f"{b}.norm1.weight"], state[f"{b}.norm1.bias"], 1e-6)
        q, k, v = linear(f"{b}.attn.qkv", y).unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        y = ((q @ k.mT) * q.shape[-1] ** -0.5).softmax(-1) @ v
        x = x + state.get(f"{b}.ls1.gamma", 1) * linear(
            f"{b}.attn.proj", y.transpose(1, 2).flatten(2)
        )
        y = norm(x, (width,), state[f"{b}.norm2.weight"], state[f"{b}.norm2.bias"], 1e-6)
        y = linear(f"{b}.mlp.fc2", torch.nn.functional.gelu(linear(f"{b}.mlp.fc1", y)))
        x = x + state.get(f"{b}.ls2.gamma", 1) * y
    return norm(x, (width,), state["norm.weight"], state["norm.bias"], 1e-6)


@pytest.mark.parametrize("scale", [False, True], ids=["dino, deit", "dinov2"])
def test_the_converted_network_computes_the_same(scale):
    patch = 14 if scale else 16
    state = published(48, 2, 17, patch, scale)
    model = VisionTransformer(
        arch=dict(embed_dims=48, num_layers=2, num_heads=3, feedforward_channels=192),
        img_size=4 * patch,
        patch_size=patch,
        layer_scale_init_value=1e-5 if scale else 0.0,
        out_type="raw",
    )
    model.eval()
    converted, dropped = convert(state)
    model.load_state_dict(converted, strict=True)
    assert dropped == []
    image = torch.randn(1, 3, 4 * patch, 4 * patch)
    with torch.no_grad():
        (found,) = model(image)
        expected = reference_forward(state, image, 3, 2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("model", "kwargs", "arch"),
    [
        (VisionTransformer, {}, dict(arch="deit-small")),
        (DistilledVisionTransformer, dict(distilled=True, tokens=198), dict(arch="deit-small")),
        (
            VisionTransformer,
            dict(scale=True, patch=14, tokens=37 * 37 + 1),
            dict(arch="dinov2-s", img_size=518, patch_size=14, layer_scale_init_value=1e-5),
        ),
    ],
    ids=["dino, deit", "deit distilled", "dinov2"],
)
def test_full_size_state_dicts_load_strictly(model, kwargs, arch):
    converted, _ = convert(published(**kwargs))
    with torch.device("meta"):
        network = model(**arch)
    network.load_state_dict(converted, strict=True, assign=True)
    assert not any(parameter.is_meta for parameter in network.parameters())


def test_whole_checkpoints_are_unpacked_and_heads_dropped():
    state = published(8, 1, 5)
    dino = {f"module.backbone.{name}": value for name, value in state.items()}
    dino["module.head.mlp.0.weight"] = torch.zeros(1)
    deit = state | {"head.weight": torch.zeros(1), "head.bias": torch.zeros(1)}
    student = {"student": {"cls_token": torch.zeros(1)}, "epoch": 3}
    for checkpoint, gone in (
        (student | {"teacher": {name[7:]: value for name, value in dino.items()}}, 1),
        ({"model": deit}, 2),
        (dino, 1),
        (state | {"mask_token": torch.zeros(1, 8)}, 1),
    ):
        converted, dropped = convert(unpack(checkpoint))
        assert len(dropped) == gone
        assert set(converted) == set(convert(state)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s | {"blocks.0.attn.extra": torch.zeros(1)}, r"unknown: blocks\.0\.attn\.extra"),
        (lambda s: s | {"register_tokens": torch.zeros(1, 4, 8)}, "unknown: register_tokens"),
        (lambda s: {k: v for k, v in s.items() if k != "norm.bias"}, r"missing: norm\.bias"),
        (
            lambda s: {k: v for k, v in s.items() if not k.startswith("blocks.0.mlp.fc2.b")},
            r"missing: blocks\.0\.mlp\.fc2\.bias",
        ),
        (lambda s: {k.replace("blocks.0", "blocks.1"): v for k, v in s.items()}, r"blocks\.0\."),
        (lambda s: s | {"blocks.0.ls1.gamma": torch.ones(8)}, r"missing: blocks\.0\.ls2\.gamma"),
        (lambda s: s | {"pos_embed": torch.zeros(1, 7, 8)}, "7 rows, 6 of them"),
    ],
)
def test_strict(change, message):
    with pytest.raises(ValueError, match=message):
        convert(change(published(8, 1, 5)))


def test_not_a_state_dict():
    with pytest.raises(ValueError, match="found epoch"):
        unpack({"epoch": 3})
    with pytest.raises(ValueError, match="found nothing"):
        unpack({})


def test_command_writes_what_a_config_loads(tmp_path, monkeypatch, capsys):
    from mmengine.runner import load_checkpoint

    state = published(48, 2, 17)
    torch.save({"model": state | {"head.weight": torch.zeros(3, 48)}}, tmp_path / "deit.pth")
    target = tmp_path / "new" / "vit.pth"
    monkeypatch.setattr(sys, "argv", ["convert", str(tmp_path / "deit.pth"), str(target)])
    main()
    printed = capsys.readouterr().out
    assert "30 tensors" in printed
    assert "dropped: head.weight" in printed
    model = torch.nn.Module()
    model.backbone = VisionTransformer(
        arch=dict(embed_dims=48, num_layers=2, num_heads=3, feedforward_channels=192), img_size=64
    )
    load_checkpoint(model, str(target), strict=True)
    assert torch.equal(model.backbone.layers[1].ffn.layers[1].bias, state["blocks.1.mlp.fc2.bias"])

    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    monkeypatch.setattr(sys, "argv", ["convert", str(tmp_path / "other.pth"), str(target)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert "unknown: conv1.weight" in error
    assert "Traceback" not in error
