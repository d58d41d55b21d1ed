"""The EfficientNet converter, on state dicts of efficientnet_pytorch's names and shapes."""

import math
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.models.backbones import EfficientNet

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "model_converters"))

from efficientnet_to_mmpretrain import convert, main, unpack  # noqa: E402

# repeats, kernel, stride, expansion, input and output width of B0's stages (Tan and Le, 2019)
STAGES = [
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
]
COEFFICIENTS = {"b0": (1.0, 1.0), "b7": (2.0, 3.1)}  # width, depth


def widened(width, factor):
    """Scaled width in steps of 8, never more than a tenth below."""
    new = max(8, int(width * factor + 4) // 8 * 8)
    return int(new + 8 if new < 0.9 * width * factor else new)


def blocks(arch):
    """Kernel, stride, expansion, input and output width of every block."""
    width, depth = COEFFICIENTS[arch]
    for repeats, kernel, stride, expansion, inner, outer in STAGES:
        inner, outer = widened(inner, width), widened(outer, width)
        for number in range(math.ceil(repeats * depth)):
            yield kernel, 1 if number else stride, expansion, outer if number else inner, outer


def norm(name, width):
    return {
        f"{name}.weight": (width,),
        f"{name}.bias": (width,),
        f"{name}.running_mean": (width,),
        f"{name}.running_var": (width,),
        f"{name}.num_batches_tracked": (),
    }


def published(arch="b0", classes=7):
    """A state dict with values that tell keys apart."""
    width = COEFFICIENTS[arch][0]
    stem, last = widened(32, width), widened(1280, width)
    shapes = {"_conv_stem.weight": (stem, 3, 3, 3), **norm("_bn0", stem)}
    for number, (kernel, _, expansion, inner, outer) in enumerate(blocks(arch)):
        name, middle = f"_blocks.{number}", inner * expansion
        if expansion > 1:
            shapes |= {f"{name}._expand_conv.weight": (middle, inner, 1, 1)}
            shapes |= norm(f"{name}._bn0", middle)
        shapes |= {f"{name}._depthwise_conv.weight": (middle, 1, kernel, kernel)}
        shapes |= norm(f"{name}._bn1", middle)
        squeezed = max(1, inner // 4)
        shapes |= {
            f"{name}._se_reduce.weight": (squeezed, middle, 1, 1),
            f"{name}._se_reduce.bias": (squeezed,),
            f"{name}._se_expand.weight": (middle, squeezed, 1, 1),
            f"{name}._se_expand.bias": (middle,),
            f"{name}._project_conv.weight": (outer, middle, 1, 1),
        }
        shapes |= norm(f"{name}._bn2", outer)
    shapes |= {"_conv_head.weight": (last, outer, 1, 1), **norm("_bn1", last)}
    shapes |= {"_fc.weight": (classes, last), "_fc.bias": (classes,)}
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("tracked"):
            state[name] = torch.tensor(3)
        elif len(shape) == 1:
            state[name] = 0.5 + torch.rand(shape, generator=generator)
        else:
            fan = math.prod(shape[1:])
            state[name] = torch.randn(shape, generator=generator) / fan**0.5
    return state


def reference_forward(state, x, arch):
    """The published network up to the last feature map, written out."""

    def conv(name, x, stride=1, groups=1):
        weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias")
        kernel = weight.shape[-1]
        # TensorFlow's "same": what is odd goes to the right and below
        pad = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:]]
        x = F.pad(x, (pad[1] // 2, pad[1] - pad[1] // 2, pad[0] // 2, pad[0] - pad[0] // 2))
        return F.conv2d(x, weight, bias, stride, groups=groups)

    def batch_norm(name, x):
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return F.batch_norm(x, mean, var, weight, bias, eps=1e-3)

    x = F.silu(batch_norm("_bn0", conv("_conv_stem", x, 2)))
    for number, (_, stride, expansion, inner, outer) in enumerate(blocks(arch)):
        name, before = f"_blocks.{number}", x
        if expansion > 1:
            x = F.silu(batch_norm(f"{name}._bn0", conv(f"{name}._expand_conv", x)))
        x = conv(f"{name}._depthwise_conv", x, stride, groups=x.shape[1])
        x = F.silu(batch_norm(f"{name}._bn1", x))
        gate = F.silu(conv(f"{name}._se_reduce", x.mean(dim=(2, 3), keepdim=True)))
        x = x * conv(f"{name}._se_expand", gate).sigmoid()
        x = batch_norm(f"{name}._bn2", conv(f"{name}._project_conv", x))
        x = x + before if stride == 1 and inner == outer else x
    return F.silu(batch_norm("_bn1", conv("_conv_head", x)))


def test_the_converted_network_computes_the_same():
    state = published()
    model = EfficientNet(arch="b0")
    converted = convert(state, "b0")
    backbone = {
        name.removeprefix("backbone."): value
        for name, value in converted.items()
        if name.startswith("backbone.")
    }
    model.load_state_dict(backbone, strict=True)
    model.eval()
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        (found,) = model(image)
        expected = reference_forward(state, image, "b0")
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert torch.equal(converted["head.fc.weight"], state["_fc.weight"])
    assert torch.equal(converted["head.fc.bias"], state["_fc.bias"])


def test_b7_on_cub_by_the_tool(tmp_path, monkeypatch, capsys):
    state = published("b7", classes=200)
    source, target = tmp_path / "cub.pth", tmp_path / "weights" / "b7.pth"
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, source)
    monkeypatch.setattr(sys, "argv", ["tool", str(source), str(target)])
    main()
    assert f"{len(state)} tensors" in capsys.readouterr().out
    written = torch.load(target)["state_dict"]
    assert len(written) == len(state)
    assert written["head.fc.weight"].shape == (200, 2560)
    # the last of 55 blocks, one of B7's stages of one expansion
    last = state["_blocks.54._project_conv.weight"]
    found = [name for name, value in written.items() if value.shape == last.shape]
    assert torch.equal(written[found[-1]], last)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("_blocks.3._se_expand.bias"), r"missing.*layers\.3\.0\.se\.conv2"),
        (lambda s: s.pop("_fc.bias"), r"missing.*_fc\.bias"),
        (lambda s: s.update({"_blocks.16._bn2.weight": torch.ones(1)}), r"unknown: _blocks\.16"),
        (lambda s: s.update({"_swish.weight": torch.ones(1)}), r"unknown: _swish\.weight"),
        (lambda s: s.update({"_bn0.weight": torch.ones(3)}), r"layers\.0\.bn\.weight has shape"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    state = published()
    change(state)
    with pytest.raises(ValueError, match=message):
        convert(state, "b0")


def test_another_size_or_no_state_dict_is_refused():
    with pytest.raises(ValueError, match="not an EfficientNet-B1"):
        convert(published(), "b1")
    with pytest.raises(ValueError, match="found epoch"):
        unpack({"epoch": 3})
