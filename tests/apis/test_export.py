"""Exported files: the same scores, maps and boxes as the model, for any number of images."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import skimage.data
import torch
from export_cases import FAMILIES, SIZE, EveryHead, SideBySide, family
from mmengine.config import Config
from torch import nn

from wsol_mm import Localizer
from wsol_mm.apis.export import EXTRA, export_onnx, export_torchscript, onnx_model
from wsol_mm.apis.export_graphs import ExportError, graph_of
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.testing.colours import colour_localizer, rectangles

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "models" / "heads"))
from head_cases import CASES, GRID  # noqa: E402

# eigenvectors are found outside of torch
EXPORTED = {name: case for name, case in CASES.items() if "cut" not in name and name != "sd_cam"}
EXPORTED.pop("sd_cam token")
RANDOM = dict(checkpoint=False, device="cpu", show_progress=False)


def inputs(count, classes, size=(SIZE, SIZE), seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 3, *size)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return images, torch.arange(count * classes).view(count, classes) % 5 - 2


def check_parity(graph, example, others):
    """The file gives what the graph gives, for other images than those it was made with."""
    model = onnx_model(graph, example, ["images", "labels"], graph.outputs)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for images, labels in others:
        found = session.run(None, {"images": images.numpy(), "labels": labels.numpy()})
        wanted = graph(images, labels)
        for name, ours, theirs in zip(graph.outputs, found, wanted, strict=True):
            atol = 1e-4 * max(1.0, float(theirs.abs().max()))
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=atol, err_msg=name)
            assert ours.std() > 0, name


@pytest.mark.slow
@torch.no_grad()
def test_every_backbone_family():
    graph = SideBySide({name: family(name) for name in FAMILIES})
    check_parity(graph, inputs(2, 3), [inputs(3, 2, seed=1)])


@pytest.mark.slow
@torch.no_grad()
def test_every_head_as_onnx_and_torchscript(tmp_path):
    size = (GRID[0] * 8, GRID[1] * 8)
    graph = EveryHead(EXPORTED).eval()
    others = [inputs(3, 2, size, seed=1), inputs(5, 4, size, seed=2)]
    check_parity(graph, inputs(2, 3, size), others)
    traced = torch.jit.trace(graph, inputs(2, 3, size), check_trace=False)
    torch.jit.save(traced, tmp_path / "heads.pt")
    loaded = torch.jit.load(tmp_path / "heads.pt")
    for other in others:
        torch.testing.assert_close(loaded(*other), graph(*other), atol=1e-5, rtol=1e-5)


def same_results(ours, theirs, picture, **asked):
    (one,), (other,) = ours(picture, **asked), theirs(picture, **asked)
    assert one.names == other.names
    assert one.threshold == other.threshold
    assert one.threshold_source == other.threshold_source
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
    assert list(one.raw_maps) == list(other.raw_maps)
    for label, score_map in one.raw_maps.items():
        np.testing.assert_allclose(other.raw_maps[label], score_map, atol=1e-4)
    return one


def test_localizer_runs_the_file_of_any_classifier(tmp_path):
    localizer = colour_localizer(rule=BoxRule(threshold=0.4, components="all"))
    path = tmp_path / "colours.onnx"
    assert export_onnx(localizer, path, model="colours") <= 1e-4
    loaded = Localizer(path, show_progress=False)
    picture = rectangles((448, 200), red=(0, 0, 128, 200), green=(192, 0, 256, 96))
    result = same_results(localizer, loaded, picture, topk=2)
    assert result.names == ("red", "green")
    same_results(localizer, loaded, picture, labels=["green", "blue"], threshold=0.5)
    both = loaded([picture, picture], labels={"input[0]": "red", "input[1]": ["green", "red"]})
    assert [list(one.raw_maps) for one in both] == [[0], [1, 0]]
    found = {prop.key: json.loads(prop.value) for prop in onnx.load(path).metadata_props}
    assert found["wsol_mm.model"] == "colours"
    assert found["wsol_mm.classes"] == ["red", "green", "blue"]
    assert found["wsol_mm.rule"]["threshold"] == 0.4
    assert found["wsol_mm.threshold_source"] == "argument"
    assert found["wsol_mm.input"]["size"] == [224, 224]
    assert found["wsol_mm.input"]["squash"] is True
    assert len(found["wsol_mm.weights_sha256"]) == 64


def first_blocks(resnet):
    """Leave the second block of each of a ResNet-18's layers out: export takes half the time."""
    for number in range(1, 5):
        resnet.set_submodule(f"layer{number}.1", nn.Identity())


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A config's localizer whose pipeline crops, and its file."""
    cfg = Config.fromfile(ROOT / "configs" / "nl_ccam" / "resnet18_toy.py")
    crop = [
        dict(type="wsol_mm.Resize", scale=(96, 96)),
        dict(type="wsol_mm.CenterCrop", crop_size=64),
    ]
    steps = cfg.test_dataloader.dataset.pipeline
    cfg.test_dataloader.dataset.pipeline = [steps[0], *crop, *steps[1:]]
    localizer = Localizer(cfg, **RANDOM)
    first_blocks(localizer.model.backbone)
    path = tmp_path_factory.mktemp("file") / "toy.onnx"
    export_onnx(localizer, path)
    return localizer, path


def test_localizer_runs_the_file_of_a_config(toy):
    localizer, path = toy
    loaded = Localizer(path, show_progress=False)
    for picture in (skimage.data.chelsea(), skimage.data.rocket()):
        same_results(localizer, loaded, picture, topk=2)
        same_results(localizer, loaded, picture, labels=[1, 3], objects="all")
    facts = {prop.key: json.loads(prop.value) for prop in onnx.load(path).metadata_props}
    assert facts["wsol_mm.input"] == {
        "size": [64, 64], "dtype": "uint8", "layout": "NCHW, RGB, 0..255", "squash": False,
    }  # fmt: skip


def test_file_refuses_what_it_holds_itself(toy, tmp_path):
    _, path = toy
    with pytest.raises(ValueError, match="holds its weights and maps: give it no checkpoint"):
        Localizer(path, method="grad_cam")
    with pytest.raises(ValueError, match=r"got 2 names, the file has \d+ classes"):
        Localizer(path, classes=["a", "b"])
    with pytest.raises(FileNotFoundError, match=r"tools/deploy/export.py makes one"):
        Localizer(tmp_path / "none.onnx")
    other = onnx.load(path)
    del other.metadata_props[:]
    onnx.save(other, tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"no metadata of tools/deploy/export.py"):
        Localizer(tmp_path / "other.onnx")
    with pytest.raises(ExportError, match="runs an exported file already"):
        graph_of(Localizer(path))


def test_missing_packages_are_named(toy, tmp_path, monkeypatch):
    localizer, path = toy
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"needs onnxruntime .*pip install onnxruntime"):
        Localizer(path)
    with pytest.raises(ImportError, match=r"pip install wsol_mm\[export\]"):
        export_onnx(localizer, tmp_path / "again.onnx")


def test_torchscript_of_a_config(toy, tmp_path):
    localizer, _ = toy
    path = tmp_path / "toy.pt"
    assert export_torchscript(localizer, path, input_type="float32", model="toy") <= 1e-4
    extra = {EXTRA: ""}
    loaded = torch.jit.load(path, _extra_files=extra)
    assert json.loads(extra[EXTRA])["model"] == "toy"
    images, labels = inputs(3, 2, seed=5)
    with torch.no_grad():
        wanted = graph_of(localizer)(images, labels)
        torch.testing.assert_close(loaded(images.float(), labels), wanted, atol=1e-5, rtol=1e-5)


def test_height_and_width_are_free_on_demand(tmp_path):
    path = tmp_path / "free.onnx"
    export_onnx(colour_localizer(), path, dynamic_size=True, input_type="float32")
    images, labels = inputs(2, 1, (96, 160))
    feed = {"images": images.float().numpy(), "labels": labels.numpy()}
    scores, _, maps = onnxruntime.InferenceSession(path).run(None, feed)
    assert maps.shape == (2, 1, 6, 10)
    assert scores.sum(1) == pytest.approx([1, 1])


class OneSize(nn.Module):
    """Pools class scores, but adds a picture of its own at 224 px."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.rand(3, 224, 224))
        self.pool = nn.AvgPool2d(16)

    def forward(self, images):
        return self.pool(images + self.place).mean(dim=(2, 3))


def test_a_network_of_one_size_says_so(tmp_path):
    localizer = Localizer(OneSize(), device="cpu")
    with pytest.raises(ExportError, match="takes one size only: leave dynamic_size out"):
        export_onnx(localizer, tmp_path / "one.onnx", dynamic_size=True)
    assert not (tmp_path / "one.onnx").exists()


def test_scr_gives_its_box(tmp_path):
    cfg = Config.fromfile(ROOT / "configs" / "psol" / "scr_r18_toy.py")
    localizer = Localizer(cfg, **RANDOM)
    first_blocks(localizer.model.detector.backbone)
    with torch.no_grad():
        localizer.model.detector.bbox_head.fc_box.bias.copy_(torch.tensor([-1.0, -2, 0, 1]))
    path = tmp_path / "scr.onnx"
    export_onnx(localizer, path, dynamic_size=True)
    loaded = Localizer(path, show_progress=False)
    for picture in (skimage.data.chelsea(), np.zeros((60, 200, 3), np.uint8)):
        (one,), (other,) = localizer(picture), loaded(picture)
        np.testing.assert_allclose(other.boxes, one.boxes, atol=1e-2)
        assert one.names == other.names == ("object",)
        assert one.boxes[0, 2] - one.boxes[0, 0] > 0.2 * picture.shape[1]
    named = Localizer(path, classifier=colour_localizer(), show_progress=False)
    assert named(rectangles((96, 96), red=(20, 20, 70, 70)))[0].names == ("red",)
    with pytest.raises(ExportError, match="each to a file of its own"):
        graph_of(named)


def refusal(config, **changes):
    cfg = Config.fromfile(ROOT / "configs" / config)
    cfg.merge_from_dict(changes)
    with pytest.raises(ExportError) as refused:
        graph_of(Localizer(cfg, **RANDOM))
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_what_cannot_be_exported_is_told_with_the_cure():
    lcar = "lcar/lcar_vit_tiny_toy.py"
    assert "--cfg-options model.refiners" in refusal(lcar)
    cut = refusal("lcar/sd_cam_vit_tiny_toy.py")
    assert "model.head.map_kind=cam exports its class maps" in cut
    assert "export a detector taught by them" in refusal("tokencut/vit_tiny_toy.py")
    assert "MMDeploy" in refusal("wend/fcos_r18_toy.py")
    with pytest.raises(ExportError, match="maps of grad_cam need gradients") as refused:
        graph_of(colour_localizer(method="grad_cam"))
    assert "method='cam'" in str(refused.value)


def test_a_result_is_read_again_at_another_threshold():
    localizer = colour_localizer()
    picture = rectangles((448, 200), red=(0, 0, 128, 200), blue=(300, 60, 420, 190))
    (result,) = localizer(picture, topk=2)
    again = localizer.again(result, 0.9, "all")
    (wanted,) = localizer(picture, topk=2, threshold=0.9, objects="all")
    assert again.names == wanted.names
    np.testing.assert_array_equal(again.boxes, wanted.boxes)
    assert again.threshold_source == "argument"
    assert not np.array_equal(again.boxes, result.boxes)
    (nothing,) = Localizer(Config.fromfile(ROOT / "configs" / "psol" / "scr_r18_toy.py"), **RANDOM)(
        picture
    )
    with pytest.raises(ValueError, match="a detector's result has no maps"):
        localizer.again(nothing)
