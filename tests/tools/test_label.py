"""tools/label.py: classes in, COCO json with boxes out; killed, continued, read by MMDetection."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from tools.label import main, parse_args
from wsol_mm import Localizer
from wsol_mm.apis.image_labels import match_classes, read_coco_classes, read_label_csv

MODEL = ["--model", "torchvision/resnet18", "--device", "cpu", "--batch-size", "2"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    import torch
    import torchvision

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), path)
    return ["--checkpoint", str(path)]


@pytest.fixture
def folder(tmp_path):
    """Two classes, one that ImageNet has; five images, one of them broken."""
    rng = np.random.default_rng(0)
    for name, count in (("7.Tiger_Cat", 3), ("Blob", 2)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(count):
            noise = rng.integers(0, 255, (50 + 10 * number, 80, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / "data" / name / f"{number}.png")
    (tmp_path / "data" / "Blob" / "9.jpg").write_text("broken")
    return tmp_path / "data"


def test_class_folders_become_a_detection_data_set(folder, weights, tmp_path, capsys):
    out = tmp_path / "boxes.json"
    main([str(folder), "--out", str(out), "--doubtful", "0.4", *MODEL, *weights])
    assert "5 images, 0 without a box, 1 unreadable; the model knows 1" in capsys.readouterr().out
    content = json.loads(out.read_text())
    assert content["categories"] == [{"id": 1, "name": "7.Tiger_Cat"}, {"id": 2, "name": "Blob"}]
    assert [image["category_id"] for image in content["images"]] == [1, 1, 1, 2, 2]
    info = content["info"]
    assert info["maker"] == "label/torchvision/resnet18"
    assert info["unread"] == ["Blob/9.jpg"]
    assert re.fullmatch("[0-9a-f]{64}", info["checkpoint_sha256"])
    assert info["box_rule"]["threshold"] == 0.23
    assert info["classes_known_to_the_model"] == ["7.Tiger_Cat"]
    images = {image["id"]: image for image in content["images"]}
    for annotation in content["annotations"]:
        image = images[annotation["image_id"]]
        x, y, width, height = annotation["bbox"]
        assert 0 <= x < x + width <= image["width"]
        assert 0 <= y < y + height <= image["height"]
        assert annotation["category_id"] == image["category_id"]
        assert 0 < annotation["confidence"] < 1
    # a class that the model knows is localized by its own map, another by what is found
    localizer = Localizer("torchvision/resnet18", weights[1], device="cpu", show_progress=False)
    (cat,) = localizer(folder / "7.Tiger_Cat" / "1.png", labels="tiger cat")
    (blob,) = localizer(folder / "Blob" / "0.png")
    for result, annotation in ((cat, content["annotations"][1]), (blob, content["annotations"][3])):
        x, y, width, height = annotation["bbox"]
        assert np.allclose(result.boxes[0], [x, y, x + width, y + height], atol=1e-3)
    sure = sorted(annotation["confidence"] for annotation in content["annotations"])
    lines = (tmp_path / "boxes_doubtful.txt").read_text().splitlines()
    assert [float(line.split("\t")[1]) for line in lines] == pytest.approx(sure[:2], abs=1e-3)
    assert not (tmp_path / "boxes.json.parts").exists()


def test_a_killed_run_continues(folder, weights, tmp_path, monkeypatch, exit_code, capsys):
    main([str(folder), "--out", str(tmp_path / "whole.json"), *MODEL, *weights])
    forward, images = Localizer.forward, []

    def killed(self, inputs, *args, **more):
        images.append(len(inputs))
        if sum(images) > 2:
            raise KeyboardInterrupt
        return forward(self, inputs, *args, **more)

    monkeypatch.setattr(Localizer, "forward", killed)
    arguments = [folder, "--out", tmp_path / "boxes.json", *MODEL, *weights]
    with pytest.raises(KeyboardInterrupt):
        main([str(argument) for argument in arguments])
    assert not (tmp_path / "boxes.json").exists()
    monkeypatch.setattr(
        Localizer,
        "forward",
        lambda self, inputs, *a, **m: images.append(len(inputs)) or forward(self, inputs, *a, **m),
    )
    images.clear()
    assert exit_code(main, [*arguments, "--threshold", "0.5"]) == 2
    assert "was made with other settings: delete" in capsys.readouterr().err
    assert exit_code(main, arguments) == 0
    assert sum(images) == 3
    whole, continued = (
        json.loads((tmp_path / name).read_text()) for name in ("whole.json", "boxes.json")
    )
    assert whole == continued
    assert exit_code(main, arguments) == 2
    assert "exists: delete it to make it anew" in capsys.readouterr().err


def test_csv_and_coco(folder, tmp_path):
    (tmp_path / "a.csv").write_text(
        "\ufefflabel;image\nbird;Blob/0.png\n\nairplane, big;Blob/1.png\n", "utf-8"
    )
    data = read_label_csv(folder, tmp_path / "a.csv")
    assert data.classes == ("airplane, big", "bird")
    assert data.images == (("Blob/0.png", 1), ("Blob/1.png", 0))
    for text, message in (
        ("name,label\na,b\n", "must name the columns image and label"),
        ("image,label\nBlob/0.png\n", ":2: expected 2 fields, got 1"),
        ("image,label\nBlob/0.png,\n", "has no label"),
        ("image,label\nBlob/0.png,a\nBlob/0.png,b\n", ":3: image 'Blob/0.png' comes twice"),
        ("image,label\n", "has no rows"),
    ):
        (tmp_path / "b.csv").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_label_csv(folder, tmp_path / "b.csv")
    (tmp_path / "b.csv").write_text("image,label\nBlob/3.png,a\n")
    with pytest.raises(FileNotFoundError, match=r"b\.csv:2: image .*3\.png does not exist"):
        read_label_csv(folder, tmp_path / "b.csv")
    coco = dict(
        images=[dict(id=3, file_name="Blob/0.png", category_id=9)],
        annotations=[],
        categories=[dict(id=4, name="a"), dict(id=9, name="b")],
    )
    (tmp_path / "classes.json").write_text(json.dumps(coco))
    data = read_coco_classes(folder, tmp_path / "classes.json")
    assert (data.classes, data.images) == (("a", "b"), (("Blob/0.png", 1),))


def test_names_match_whatever_their_spelling():
    known = ["tabby, tabby cat", "Egyptian cat", "espresso"]
    wanted = ["281.tabby", "egyptian_cat", "Espresso ", "12_tabby_cat", "cat", "7up"]
    assert match_classes(wanted, known) == {0: 0, 1: 1, 2: 2, 3: 0}


def test_mmdetection_reads_all_classes(folder, weights, tmp_path):
    from mmdet.datasets import CocoDataset

    out = tmp_path / "boxes.json"
    main([str(folder), "--out", str(out), *MODEL, *weights])
    dataset = CocoDataset(
        ann_file=str(out),
        data_prefix=dict(img=str(folder)),
        metainfo=dict(classes=("7.Tiger_Cat", "Blob")),
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=[],
    )
    assert len(dataset) == 5
    assert [instance["bbox_label"] for item in dataset for instance in item["instances"]] == [
        0,
        0,
        0,
        1,
        1,
    ]


def test_review_page_of_a_finished_file(folder, weights, tmp_path, capsys):
    out, page = tmp_path / "boxes.json", tmp_path / "review.html"
    arguments = [str(folder), "--out", str(out), *MODEL, *weights]
    main([*arguments, "--review", str(page), "--review-count", "2"])
    assert "a page with the 2 most doubtful of 5 images" in capsys.readouterr().out
    made = out.stat().st_mtime_ns
    main([*arguments, "--review", str(page), "--review-count", "0"])
    assert "a page with the 5 most doubtful of 5 images" in capsys.readouterr().out
    assert out.stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["none", "--out", "a.json"], "none is not a folder"),
        (["{folder}", "--out", "a.txt"], "ends in .json"),
        (["{folder}", "--out", "a.json", "--csv", "none.csv"], "none.csv does not exist"),
        (["{folder}", "--out", "a.json", "--doubtful", "5"], "a share from 0 to 1"),
        (["{folder}", "--out", "a.json", "--model", "none.py"], "none.py does not exist"),
    ],
)
def test_wrong_options_are_said_before_anything_is_imported(folder, options, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse_args([option.format(folder=folder) for option in options])
    assert message in capsys.readouterr().err
