"""Short runs on birds: every row builds, the kill falls where it should, tables from results."""

import json
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS, MODELS, DefaultScope
from PIL import Image

from studies.birds import __main__ as birds
from studies.birds import rows as bird_rows
from studies.harness.trial import resolved_config, write_config

ROWS = [pytest.param(row, id=name) for name, row in bird_rows.ROWS.items()]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Results and document of the test itself."""
    monkeypatch.setattr(birds, "KEPT", tmp_path / "kept")
    return tmp_path


@pytest.fixture
def data(tmp_path):
    """Two training images of 40 x 20, the second filled by its object."""
    root = tmp_path / "CUB"
    (root / "images/a").mkdir(parents=True)
    for name in ("x", "y"):
        Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(root / f"images/a/{name}.jpg")
    (root / "images.txt").write_text("1 a/x.jpg\n2 a/y.jpg\n")
    (root / "image_class_labels.txt").write_text("1 1\n2 1\n")
    (root / "train_test_split.txt").write_text("1 1\n2 1\n")
    (root / "classes.txt").write_text("1 a\n")
    (root / "bounding_boxes.txt").write_text("1 10 5 20 10\n2 0 0 40 20\n")
    return str(root)


def scalars(folder, *rows):
    log = folder / "vis_data/scalars.json"
    log.parent.mkdir(parents=True)
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))


def step(number, epoch, loss, time=1.0):
    return {"step": number, "epoch": epoch, "loss": loss, "time": time}


def training(**more):
    return {
        "config": "configs/cam/resnet50_cub.py", "steps": 9, "epochs": 3, "resumed_at_epoch": 2,
        "losses": [5.3, 5.1], "loss_by_epoch": {"1": 5.25, "3": 5.15}, "step_seconds": 2.0,
        "metrics": {"gt_known": 41.6666}, "images_per_second": 0.5,
        "machine": {"processor": "x"}, **more,
    }  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_rows_build_with_random_weights(row, tmp_path, monkeypatch):
    """Model and data sets as the tools build them; nothing pretrained is left."""
    trial = bird_rows.make_trial(row, str(tmp_path))
    files = {"data": tmp_path, **{name: tmp_path / name for name in bird_rows.KEYS}}
    text = write_config(resolved_config(trial), tmp_path / "config.py", files).read_text()
    assert "Pretrained" not in text
    assert not [name for name in files if f"{{{name}}}" in text]
    cfg = Config.fromfile(tmp_path / "config.py")
    assert cfg.train_cfg.max_epochs >= 2  # there is an epoch to resume at
    # ResNet and ViT read their stochastic-depth rates back from a tensor
    monkeypatch.setattr(torch, "linspace", partial(torch.linspace, device="cpu"))
    model = cfg.model.to_dict()
    if "data_preprocessor" in cfg:
        model.setdefault("data_preprocessor", cfg.data_preprocessor.to_dict())
    with DefaultScope.overwrite_default_scope(cfg.default_scope), torch.device("meta"):
        built = MODELS.build(ConfigDict(model))
        for loader in bird_rows.LOADERS:
            dataset = cfg[f"{loader}_dataloader"].dataset.to_dict()
            assert DATASETS.build({**dataset, "lazy_init": True}) is not None
    assert sum(parameter.numel() for parameter in built.parameters()) > 1e6


def test_only_what_is_said_differs_from_the_config():
    for row in bird_rows.ROWS.values():
        options = bird_rows.make_trial(row, "x").options
        rest = set(options) - set(bird_rows.COMMON) - set(row.options)
        rest -= {"train_cfg.max_epochs", *(bird_rows.KEYS[name] for name in row.inputs)}
        assert all(key.endswith(("init_cfg", "pretrained")) for key in rest), rest
        assert row.notes or not row.options, row.name


def test_detectors_read_boxes_of_makers_and_every_maker_is_read():
    makers = {maker.name for maker in bird_rows.MAKERS}
    assert {row.inputs["boxes"] for row in bird_rows.FAMILIES["wend"]} == makers
    assert not any(maker.inputs for maker in bird_rows.MAKERS)


def test_inputs_come_before_what_needs_them():
    order = list(bird_rows.ROWS)
    for name, row in bird_rows.ROWS.items():
        assert all(order.index(source) < order.index(name) for source in row.inputs.values())


def test_names_of_results_are_unique():
    names = [bird_rows.slug(name) for name in bird_rows.ROWS]
    names += [f"boxes_{bird_rows.slug(maker.name)}" for maker in bird_rows.MAKERS]
    assert len({*names}) == len(names)
    assert list(birds.tasks(list(bird_rows.FAMILIES)))[-1] == "lcar"


def write_then_wait(marker, command):
    marker.write_text("epoch 1")
    subprocess.run([sys.executable, "-c", command], check=True)


def test_the_kill_takes_the_tool_with_it(tmp_path):
    marker, late = tmp_path / "marker", tmp_path / "late"
    command = f"import time; time.sleep(1); open({str(late)!r}, 'w')"
    birds.cut_off(marker, write_then_wait, marker, command)
    time.sleep(1.5)
    assert marker.is_file()
    assert not late.exists()


def test_what_was_cut_off_before_is_not_cut_off_again(tmp_path):
    marker = tmp_path / "marker"
    marker.touch()
    birds.cut_off(marker, write_then_wait, tmp_path / "other", "pass")
    assert not (tmp_path / "other").exists()


def test_facts_of_a_resumed_training(tmp_path):
    """A step that the kill lost counts once, as it was made again."""
    first = [step(1, 1, 4.0), step(2, 1, 3.0), {"wsol/gt_known": 1.0, "step": 1}, step(3, 2, 9.0)]
    scalars(tmp_path / "20260101_000000", *first)
    scalars(tmp_path / "20260101_000100", step(3, 2, 2.0, 3.0), step(4, 2, 1.0, 5.0))
    facts = birds.training_facts(tmp_path)
    assert facts["losses"] == [4.0, 3.0, 2.0, 1.0]
    assert facts["loss_by_epoch"] == {"1": 3.5, "2": 1.5}
    assert (facts["resumed_at_epoch"], facts["parts"], facts["step_seconds"]) == (2, 2, 2.0)


def test_images_per_second_counts_a_part_batch(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/a.json").write_text(json.dumps({"wsol/gt_known": 1.0, "time": 2.0}))
    assert birds.images_per_second(tmp_path, 6) == 1.5  # two batches, the second half full


def test_quality_of_boxes_by_hand(tmp_path, data):
    """One box meets half of its truth (IoU .5); the other image has none."""
    images = [
        {"id": number, "file_name": f"a/{name}.jpg", "width": 40, "height": 20}
        for number, name in enumerate("xy")
    ]
    box = {"id": 0, "image_id": 0, "category_id": 1, "bbox": [10, 5, 10, 10]}
    content = {
        "info": {"maker": "m", "threshold": 0.2, "threshold_source": "val"},
        "images": images,
        "annotations": [{**box, "area": 100, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "object"}],
    }
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps(content))
    found = birds.box_quality(file, data)
    assert (found["accuracy"], found["mean_iou"], found["without_box"]) == (50.0, 25.0, 1)
    assert found["whole_image"] == 50.0  # the second image's truth; the first's is a quarter of it
    assert found["best_centred"] == 50.0
    assert (found["images"], found["mean_area"]) == (2, 12.5)


def test_document_says_what_ran_and_what_did_not(folder):
    birds.KEPT.mkdir()
    (birds.KEPT / "cam_resnet_50.json").write_text(json.dumps(training()))
    boxes = {"boxes": {"key": ["1", "0"], "config": "configs/ddt/vgg16_cub.py"}}
    (birds.KEPT / "scr_resnet_50.json").write_text(json.dumps(training(inputs=boxes)))
    box = {
        "accuracy": 25.0, "mean_iou": 30.0, "mean_area": 60.0,
        "threshold": 0.2, "threshold_source": "val", "images": 12, "without_box": 0,
        "whole_image": 8.0, "best_centred": 75.0,
    }  # fmt: skip
    (birds.KEPT / "boxes_cam_resnet_50.json").write_text(json.dumps(box))
    gt = {"0.5": 50.0, "0.7": 25.0, "0.8": 0.0, "0.9": 0.0}
    rows = [
        {"name": name, "gt": gt, "images_per_second": 0.25}
        for name in (birds.CHAIN[0], birds.OFFLINE)
    ]
    chain = {"rows": rows, "masks": 12, "stamp": {"images": 12}, "machine": {"processor": "y"}}
    (birds.KEPT / "lcar.json").write_text(json.dumps(chain))
    path = folder / "birds.md"
    birds.document(path)
    text = path.read_text()
    line = next(line for line in text.splitlines() if line.startswith("| [CAM ResNet-50]"))
    assert "| - | 9 in 3 epochs | 2 | 5.300, 5.100 | 5.250, 5.150 | - | - | 41.7 | - |" in line
    assert "| CAM ResNet-50 | 25.0 | 30.0 | 60.0 | 0.200 (val) | 12 | 0 | 8.0 | 75.0 |" in text
    link = "[lcar/sd_cam_vit_small_p16_cub](../configs/lcar/sd_cam_vit_small_p16_cub.py)"
    for title in (link, birds.OFFLINE):
        assert f"| {title} | 50.0 | 25.0 | 0.0 | 0.0 | 0.25 |" in text
    assert "| FCOS ResNet-50 | not run |" in text
    assert "| [SCR ResNet-50](../configs/cam/resnet50_cub.py) | DDT VGG16 |" in text
    assert "Machine: processor x.\n\nMachine: processor y." in text


def test_rows_run_once_and_a_failure_does_not_stop_the_others(folder, monkeypatch, capsys):
    ran = []

    def run(bird, data_root, out):
        ran.append(bird.name)
        if bird.name.startswith("FCOS"):
            raise RuntimeError("no luck")
        return training(key=birds.trial_key(bird_rows.make_trial(bird, data_root)))

    monkeypatch.setattr(birds, "run_bird", run)
    words = ["--families", "wend", "--data-root", "CUB", "--docs", str(folder / "birds.md")]
    assert birds.main(words) == 1
    assert birds.main(words) == 1
    assert len(ran) == 8  # the failed one twice
    output = capsys.readouterr().out
    assert "fcos_resnet_50 failed: no luck" in output
    assert json.loads(output.splitlines()[-1]) == {"rows": 7, "finished": 6, "failed": 1}


def test_a_changed_row_is_run_again(folder):
    birds.KEPT.mkdir()
    name = "cam_resnet_50"
    assert not birds.finished(name, "CUB")
    key = birds.trial_key(bird_rows.make_trial(bird_rows.ROWS["CAM ResNet-50"], "CUB"))
    (birds.KEPT / f"{name}.json").write_text(json.dumps(training(key=key)))
    assert birds.finished(name, "elsewhere/CUB")
    (birds.KEPT / f"{name}.json").write_text(json.dumps(training(key="old")))
    assert not birds.finished(name, "CUB")


def test_every_result_is_known_to_be_of_its_row(folder):
    birds.KEPT.mkdir()
    for name in birds.tasks(list(bird_rows.FAMILIES)):
        (birds.KEPT / f"{name}.json").write_text(json.dumps({"key": "old"}))
        assert not birds.finished(name, "CUB")


def test_unknown_rows_are_named(folder):
    with pytest.raises(ValueError, match="--rows nothing: expected some of cam_resnet_50"):
        birds.main(["--rows", "nothing", "--docs", str(folder / "birds.md")])


def test_kept_results_are_finite_and_were_resumed():
    """What the document shows was killed and went on."""
    for file in birds.KEPT.glob("*.json"):
        result = json.loads(file.read_text())
        if "losses" in result:
            assert torch.tensor(result["losses"]).isfinite().all(), file.name
            assert 1 < result["resumed_at_epoch"] <= result["epochs"], file.name
