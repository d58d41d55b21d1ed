"""decomposition.py: what it reads off a model, what it counts and writes, and what it refuses."""

import csv
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample

from wsol_mm.datasets.toy import ToyScenes  # noqa: F401 - the tool's data set is registered

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 6


def load(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tool():
    return load("studies/decomposition.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "scenes"
    maker = load("tools/dataset_converters/make_toy.py")
    sizes = ["--train", "6", "--val", "6", "--test", str(IMAGES), "--size", "64"]
    maker.main(["--out", str(folder), *sizes])
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """NAME CONFIG CHECKPOINT of two narrow networks with random weights."""
    folder = tmp_path_factory.mktemp("models")
    entries = []
    for seed, name in enumerate(("cam", "bridgegap")):
        config = folder / f"{name}.py"
        config.write_text(
            f'_base_ = "{ROOT}/configs/{name}/resnet18_toy.py"\n'
            "model = dict(backbone=dict(base_channels=4), head=dict(in_channels=32))\n"
        )
        cfg = Config.fromfile(config)
        torch.manual_seed(seed)
        with DefaultScope.overwrite_default_scope("mmpretrain"):
            model = MODELS.build(cfg.model.to_dict())
        torch.save({"state_dict": model.state_dict()}, folder / f"{name}.pth")
        entries.append([name.upper(), str(config), str(folder / f"{name}.pth")])
    return entries


def words(models, data, out, *more):
    named = [word for entry in models for word in ("--model", *entry)]
    options = [f"test_dataloader.dataset.data_root={data}", "test_dataloader.num_workers=0"]
    return [*named, "--out", str(out), *more, "--cfg-options", *options]


def test_one_row_per_image_and_two_histograms(tool, data, models, tmp_path, capsys):
    tool.main(words(models, data, tmp_path, "--images", "3"))
    assert f"{IMAGES} images" in capsys.readouterr().out
    written = {"maps.png", "similarity.csv", "similarity.png", "norm.csv", "norm.png", "shares.csv"}
    assert {path.name for path in tmp_path.iterdir()} == written
    picture = cv2.imread(str(tmp_path / "maps.png"))
    columns = 1 + 3 * len(models)
    assert picture.shape == (24 + 3 * 198, columns * 198 + 6, 3)
    for column in range(columns):  # no cell is left white
        cell = picture[30:210, 12 + column * 198 : 190 + column * 198]
        assert cell.mean() < 254
    for name, low, high in (("similarity", -1, 1), ("norm", 0, 1)):
        rows = list(csv.DictReader((tmp_path / f"{name}.csv").open()))
        assert list(rows[0]) == ["left", "right", "CAM", "BRIDGEGAP"]
        assert (float(rows[0]["left"]), float(rows[-1]["right"])) == (low, high)
        width = (high - low) / len(rows)
        for model in ("CAM", "BRIDGEGAP"):
            assert sum(float(row[model]) for row in rows) * width == pytest.approx(1, abs=1e-4)
    # each image's smallest norm is 0 and largest is 1
    share = 1 / 64
    assert float(rows[0]["CAM"]) * width >= share * 0.999
    assert float(rows[-1]["CAM"]) * width >= share * 0.999


def test_shares_count_positions_inside_and_outside(tool, data, models, tmp_path):
    document = tmp_path / "page.md"
    _, config, checkpoint = models[0]
    flags = ["--images", "1", "--write-docs", str(document)]
    tool.main(words(models[:1], data, tmp_path, *flags))
    (row,) = csv.DictReader((tmp_path / "shares.csv").open())
    cfg = Config.fromfile(config)
    cfg.test_dataloader.dataset.data_root = str(data)
    cfg.test_dataloader.num_workers = 0
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        cfg.model.data_preprocessor = cfg.data_preprocessor
        model = tool.build_model(cfg, checkpoint, trust=False)
        loader = tool.Runner.build_dataloader(cfg.test_dataloader, seed=0)
        seen = list(tool.decompose(model, loader))
    where = np.stack([tool.inside_boxes(s, tuple(maps["S"].shape)) for s, maps, _ in seen])
    norms = np.stack([norm01.numpy() for *_, norm01 in seen])
    positive = np.stack([maps["S"].numpy() > 0 for _, maps, _ in seen])
    truth = [a[w].mean() for a in (norms, positive) for w in (where, ~where)]
    assert 0 < where.mean() < 1
    assert [float(row[name]) for name in tool.SHARES] == pytest.approx(
        [100 * value for value in truth], abs=0.051
    )
    assert f"| CAM | {row['F inside']} |" in document.read_text()


def test_the_three_maps_multiply(tool, data, models):
    _, config, checkpoint = models[1]
    cfg = Config.fromfile(config)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        cfg.model.data_preprocessor = cfg.data_preprocessor
        model = tool.build_model(cfg, checkpoint, trust=False)
        generator = torch.Generator().manual_seed(0)
        inputs = torch.randint(0, 256, (2, 3, 64, 64), generator=generator, dtype=torch.uint8)
        batch = {"inputs": inputs, "data_samples": [DataSample().set_gt_label(k) for k in (3, 1)]}
        results = list(tool.decompose(model, [batch]))
    assert len(results) == 2
    for (_, maps, norm01), label in zip(results, (3, 1), strict=True):
        length = model.head.fc.weight[label].norm().item()
        torch.testing.assert_close(maps["CAM"], length * maps["F"] * maps["S"])
        assert (norm01.min(), norm01.max()) == (0, 1)
    assert not model.head.hidden._forward_hooks


def test_positions_count_by_their_centre_in_the_inputs_frame(tool):
    sample = DataSample(
        metainfo={"img_shape": (8, 16), "homography_matrix": np.diag([0.5, 0.25, 1.0])}
    )
    from mmengine.structures import InstanceData

    assert not tool.inside_boxes(sample, (2, 4)).any()
    # cells of 4 x 4 pixels; the first box becomes (0, 0, 6.5, 6), the second (14, 2, 15, 3)
    boxes = np.array([[0.0, 0.0, 13.0, 24.0], [28.0, 8.0, 30.0, 12.0]])
    sample.gt_instances = InstanceData(bboxes=torch.from_numpy(boxes))
    assert tool.inside_boxes(sample, (2, 4)).astype(int).tolist() == [[1, 1, 0, 1], [0, 0, 0, 0]]


def test_values_beyond_the_last_edge_by_rounding_are_counted(tool):
    edges = np.linspace(-1, 1, 5)
    assert tool.count(np.array([-1.0000001, 0.1, 1.0000001]), edges).tolist() == [1, 0, 1, 1]


def test_errors_are_one_line(tool, data, models, tmp_path, exit_code, capsys):
    name, config, checkpoint = models[0]

    def error(entries):
        assert exit_code(tool.main, words(entries, data, tmp_path)) == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    missing = error([[name, config, "nowhere.pth"]])
    assert missing == "error: --model CAM: checkpoint nowhere.pth does not exist"
    assert "config nowhere.py does not exist" in error([[name, "nowhere.py", checkpoint]])
    assert "two models have the same name" in error([models[0], models[0]])
    wide = tmp_path / "wide.py"
    wide.write_text(f'_base_ = "{ROOT}/configs/cam/resnet18_toy.py"\n')
    assert f"{checkpoint} does not fit" in error([[name, str(wide), checkpoint]])
    plain = tmp_path / "plain.py"
    head = 'dict(_delete_=True, type="LinearClsHead", num_classes=6, in_channels=128)'
    plain.write_text(f'_base_ = "{wide}"\nmodel = dict(head={head})\n')
    assert "wsol_mm.CAMHead" in error([[name, str(plain), checkpoint]])
    assert not (tmp_path / "maps.png").exists()
