"""context_pool.py: its numbers by hand, its picture's cells, and what it refuses."""

import csv

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from studies import context_pool as tool
from studies.photographs.gallery import SIDE
from tools.dataset_converters import make_toy
from wsol_mm.datasets.toy import ToyScenes  # noqa: F401 - the tool's data set is registered
from wsol_mm.functional.context_pool import centre_prior, standardize_maps

IMAGES, MAP = 12, 8


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "scenes"
    sizes = ["--train", "6", "--val", "6", "--test", str(IMAGES), "--size", "64"]
    make_toy.main(["--out", str(folder), *sizes])
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """NAME CONFIG CHECKPOINT of narrow networks: one with a pool, one without."""
    folder = tmp_path_factory.mktemp("models")
    entries = []
    for method in ("ci_cam", "nl_ccam"):
        config = folder / f"{method}.py"
        head = "in_channels=32"
        head += f", context_pool=dict(size={MAP})" if method == "ci_cam" else ""
        config.write_text(
            f'_base_ = "{tool.__file__.rsplit("/", 2)[0]}/configs/{method}/resnet18_toy.py"\n'
            f"model = dict(backbone=dict(base_channels=4), layers=[], head=dict({head}))\n"
        )
        cfg = Config.fromfile(config)
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope("mmpretrain"):
            model = MODELS.build(cfg.model.to_dict())
        model.init_weights()
        if method == "ci_cam":
            contexts = standardize_maps(torch.randn(6, MAP, MAP))
            contexts[1], contexts[2] = contexts[0], -contexts[0]
            contexts[5] = centre_prior((MAP, MAP))
            model.head.context_pool.contexts.copy_(contexts)
        torch.save({"state_dict": model.state_dict()}, folder / f"{method}.pth")
        entries.append([method, str(config), str(folder / f"{method}.pth")])
    return entries


def words(entries, data, out, *more):
    named = [word for entry in entries for word in ("--model", *entry)]
    options = [f"test_dataloader.dataset.data_root={data}", "test_dataloader.num_workers=0"]
    return [*named, "--out", str(out), *more, "--cfg-options", *options]


def pearson(first, second):
    return np.corrcoef(first.flatten(), second.flatten())[0, 1]


def with_others(maps, own):
    return np.mean([pearson(maps[own], maps[other]) for other in range(6) if other != own])


def test_numbers_are_those_of_a_loop_over_images(data, models, tmp_path):
    name, config, checkpoint = models[0]
    document = tmp_path / "page.md"
    tool.main(words(models[:1], data, tmp_path, "--write-docs", str(document)))
    found = list(csv.DictReader((tmp_path / "context_pool.csv").open()))
    cfg = Config.fromfile(config)
    cfg.test_dataloader.dataset.data_root = str(data)
    cfg.test_dataloader.num_workers = 0
    cfg.test_dataloader.batch_size = 5
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = tool.build_model(cfg, checkpoint, trust=False)
        loader = tool.Runner.build_dataloader(cfg.test_dataloader, seed=0)
        hs, maps, boxes = ({k: [] for k in range(6)} for _ in range(3))
        for batch in loader:
            data_ = model.data_preprocessor(batch, False)
            with torch.no_grad():
                features, scores = model.head.first_branch(model.extract_feat(data_["inputs"]))
                enhanced = model.head.context_pool(features, scores)
                second = model.head.class_scores(enhanced)
            for index, sample in enumerate(data_["data_samples"]):
                label = sample.gt_label.item()
                pair = []
                for x, z in ((features, scores), (enhanced, second)):
                    gamma = model.head.gamma[z[index].argsort(descending=True).argsort()]
                    weight = (gamma[:, None] * model.head.fc.weight).sum(0)
                    pair.append(torch.einsum("c,chw->hw", weight, x[index]).detach().numpy())
                hs[label].append(pearson(*pair))
                own = torch.einsum("c,chw->hw", model.head.fc.weight[label], features[index])
                maps[label].append(own.detach().numpy())
                boxes[label].append(tool.true_box_masks([sample], (MAP, MAP))[0, 0].numpy())
    contexts = model.head.context_pool.contexts.numpy()
    means = {k: np.mean(maps[k], axis=0) for k in range(6)}
    for k, row in enumerate(found[:6]):
        expected = {
            "images": len(hs[k]),
            "H": np.mean(hs[k]),
            "other contexts": with_others(contexts, k),
            "centre": pearson(contexts[k], centre_prior((MAP, MAP)).numpy()),
            "own map": pearson(contexts[k], means[k]),
            "own box": pearson(contexts[k], np.mean(boxes[k], axis=0)),
            "other maps": with_others(means, k),
        }
        for key, value in expected.items():
            assert float(row[key]) == pytest.approx(value, abs=2e-4), (k, key)
    assert (found[6]["class"], found[6]["images"]) == ("all", str(IMAGES))
    assert float(found[6]["H"]) == pytest.approx(
        np.mean(np.concatenate(list(hs.values()))), abs=2e-4
    )
    assert float(found[5]["centre"]) == pytest.approx(1, abs=1e-4)
    text = document.read_text()
    assert f"| {name} | all | {IMAGES} |" in text
    assert text.count(f"| {name} |") == 1


def test_a_column_for_each_class_and_two_lines_for_each_model(data, models, tmp_path):
    again = ["again", *models[0][1:]]
    tool.main(words([models[0], again], data, tmp_path, "--classes", "3"))
    picture = cv2.imread(str(tmp_path / "context_pool.jpg"))
    step = SIDE + 6
    assert picture.shape == (24 + 5 * step, 4 * step + 6, 3)
    cells = [
        [picture[24 + r * step :][:SIDE, 6 + c * step :][:, :SIDE].astype(float) for c in range(4)]
        for r in range(5)
    ]
    # contexts 0 and 1 are the same, 2 is their negative; both models are the same;
    # what is left is jpg's
    assert np.abs(cells[0][1] - cells[0][2]).mean() < 5
    assert np.abs(cells[0][1] - cells[0][3]).mean() > 20
    for column in (1, 2, 3):
        assert np.abs(cells[0][column] - cells[2][column]).mean() < 5
        assert np.abs(cells[1][column] - cells[3][column]).mean() < 5


def test_errors_are_one_line(data, models, tmp_path, exit_code, capsys):
    assert exit_code(tool.main, words(models[1:], data, tmp_path)) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "nl_ccam.py: expected a model whose head is a CausalCAMHead" in error
    assert exit_code(tool.main, words(models[:1], data, tmp_path, "--classes", "0")) == 2
    assert "--classes 0: expected 1 or more" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
