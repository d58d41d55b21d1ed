"""The MoCo converter, on a synthetic state dict of the published names and shapes."""

import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "model_converters"))

from moco_to_mmpretrain import convert, main  # noqa: E402

QUERY = "module.encoder_q."


def norm(name, width):
    return {
        f"{name}.weight": (width,),
        f"{name}.bias": (width,),
        f"{name}.running_mean": (width,),
        f"{name}.running_var": (width,),
        f"{name}.num_batches_tracked": (),
    }


def resnet50():
    """Names and shapes of torchvision's ResNet-50 without classifier, which MoCo trains."""
    shapes = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64)}
    inner = 64
    for stage, depth in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(depth):
            name = f"layer{stage + 1}.{block}"
            shapes |= {
                f"{name}.conv1.weight": (width, inner, 1, 1),
                **norm(f"{name}.bn1", width),
                f"{name}.conv2.weight": (width, width, 3, 3),
                **norm(f"{name}.bn2", width),
                f"{name}.conv3.weight": (4 * width, width, 1, 1),
                **norm(f"{name}.bn3", 4 * width),
            }
            if block == 0:
                shapes |= {
                    f"{name}.downsample.0.weight": (4 * width, inner, 1, 1),
                    **norm(f"{name}.downsample.1", 4 * width),
                }
            inner = 4 * width
    return shapes


def published():
    """A MoCo v2 checkpoint: two encoders with a two-layer projection, the queue, the optimiser."""
    generator = torch.Generator().manual_seed(0)
    projection = {
        "fc.0.weight": (2048, 2048),
        "fc.0.bias": (2048,),
        "fc.2.weight": (128, 2048),
        "fc.2.bias": (128,),
    }
    state = {}
    for name, shape in (resnet50() | projection).items():
        if name.endswith("num_batches_tracked"):
            value = torch.tensor(7)
        elif name.startswith("fc"):
            value = torch.zeros(()).expand(shape)
        else:
            value = torch.rand(shape, generator=generator)
        state[QUERY + name] = value
        state["module.encoder_k." + name] = torch.zeros((), dtype=value.dtype).expand(shape)
    state["module.queue"] = torch.zeros(()).expand(128, 65536)
    state["module.queue_ptr"] = torch.zeros(1, dtype=torch.int64)
    return {"epoch": 800, "arch": "resnet50", "state_dict": state, "optimizer": {"state": {}}}


@pytest.fixture(scope="module")
def checkpoint():
    return published()


def test_both_libraries_load_the_query_encoder_strictly(checkpoint):
    from mmdet.models.backbones import ResNet as DetResNet
    from mmpretrain.models.backbones import ResNet

    converted, dropped = convert(checkpoint)
    for network in (ResNet, DetResNet):
        backbone = network(depth=50)
        backbone.load_state_dict(converted, strict=True, assign=True)
        source = checkpoint["state_dict"]["module.encoder_q.layer3.2.conv2.weight"]
        assert torch.equal(backbone.layer3[2].conv2.weight, source)
        assert torch.equal(
            backbone.layer4[0].downsample[1].running_var,
            checkpoint["state_dict"]["module.encoder_q.layer4.0.downsample.1.running_var"],
        )
    assert len(converted) + len(dropped) == len(checkpoint["state_dict"])
    assert {name.split(".")[1] for name in dropped} == {
        "encoder_q",
        "encoder_k",
        "queue",
        "queue_ptr",
    }


def test_the_converted_network_computes_the_same(checkpoint):
    from mmpretrain.models.backbones import ResNet
    from torchvision.models import resnet50 as reference

    ours, theirs = ResNet(depth=50), reference()
    ours.load_state_dict(convert(checkpoint)[0], assign=True)
    state = {
        name.removeprefix(QUERY): value
        for name, value in checkpoint["state_dict"].items()
        if name.startswith(QUERY) and ".fc." not in name
    }
    theirs.load_state_dict(state, strict=False, assign=True)
    theirs.fc = torch.nn.Identity()
    ours.eval()
    theirs.eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        (found,) = ours(image)
        expected = theirs(image)
    torch.testing.assert_close(found.mean((2, 3)), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {QUERY + "layer4.3.conv1.weight": torch.zeros(1)},
            r"unknown: module\.encoder_q\.layer4\.3",
        ),
        ({"encoder_q.conv1.weight": torch.zeros(1)}, r"unknown: encoder_q\.conv1"),
        ({QUERY + "bn1.bias": None}, r"missing: module\.encoder_q\.bn1\.bias"),
        ({QUERY + "conv1.weight": torch.zeros(64, 1, 7, 7)}, r"\(64, 1, 7, 7\), expected \(64, 3,"),
    ],
)
def test_strict(checkpoint, change, message):
    state = {k: v for k, v in (checkpoint["state_dict"] | change).items() if v is not None}
    with pytest.raises(ValueError, match=message):
        convert({"state_dict": state})


def test_not_a_moco_checkpoint():
    with pytest.raises(ValueError, match=r"'state_dict', found \['model'\]"):
        convert({"model": {}})


def test_command_writes_what_a_config_loads(checkpoint, tmp_path, monkeypatch, capsys):
    from mmdet.models.backbones import ResNet

    torch.save(checkpoint, tmp_path / "moco.pth.tar")
    target = tmp_path / "new" / "moco.pth"
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "moco.pth.tar"), str(target)])
    main()
    printed = capsys.readouterr().out
    assert "318 tensors" in printed
    assert "dropped: encoder_k, encoder_q.fc, queue, queue_ptr" in printed
    init = dict(type="Pretrained", checkpoint=str(target), prefix="backbone.")
    backbone = ResNet(depth=50, init_cfg=init)
    backbone.init_weights()
    source = checkpoint["state_dict"][QUERY + "layer1.0.conv1.weight"]
    assert torch.equal(backbone.layer1[0].conv1.weight, source)

    torch.save({"state_dict": {"conv1.weight": torch.zeros(1)}}, tmp_path / "other.pth")
    sys.argv[1] = str(tmp_path / "other.pth")
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "unknown: conv1.weight" in capsys.readouterr().err
