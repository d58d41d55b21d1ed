"""Hide-and-Seek, ADL and CutMix configs: what they change about CAM, and nothing else."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mmcv.transforms import Compose
from mmengine.registry import MODELS, DefaultScope
from mmpretrain.structures import DataSample
from torch.nn.functional import cross_entropy

from wsol_mm.models.layers import ADL

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
METHODS = ("has", "adl", "cutmix")
NETWORKS = ("vgg16", "resnet50", "inception_v3")
NAMES = [f"{net}_{data}" for net in NETWORKS for data in ("cub", "ilsvrc", "openimages30k")]
NAMES += ["resnet18_toy", "efficientnet_lite0_cub"]

# the benchmark's places, as shapes (channels, side) behind them for 224 px images
PLACES = {
    "vgg16": {
        "backbone.features.9": (256, 28),
        "backbone.features.12": (512, 28),
        "backbone.features.16": (512, 14),
    },
    "resnet50": {
        "backbone.layer3.0": (1024, 28),
        "backbone.layer4.0": (2048, 28),
        "backbone.layer4.2": (2048, 28),
    },
    "inception_v3": {
        "backbone.Mixed_5d": (288, 28),
        "backbone.Mixed_6e": (768, 28),
        "head.hidden.3": (1024, 28),
    },
    # ours, behind activations
    "efficientnet_lite0": {
        "backbone.timm_model.blocks.5.0.bn2": (672, 14),
        "backbone.timm_model.blocks.6.0.bn1": (1152, 14),
        "backbone.timm_model.bn2": (1280, 14),
    },
}


def build(cfg, device):
    with device, DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg.model)


def settings(cfg, method):
    """The two numbers of the method, from where the config has them."""
    if method == "has":
        (step,) = [s for s in cfg.train_dataloader.dataset.pipeline if "HideAndSeek" in s.type]
        return step.grid_size, step.drop_rate
    if method == "adl":
        (pair,) = {(entry.layer.drop_rate, entry.layer.threshold) for entry in cfg.model.layers}
        return pair
    augments = cfg.data_preprocessor.batch_augments
    return augments.augments.alpha, augments.probs


def without(cfg, method):
    """The config as a plain dict, with the method's own keys taken out."""
    content = cfg.to_dict()
    if method == "has":
        content.pop("train_pipeline")
        content["train_dataloader"]["dataset"].pop("pipeline")
    elif method == "adl":
        for key in ("type", "layers"):
            content["model"].pop(key, None)
        content["model"]["head"].pop("dropout", None)
    else:
        content["data_preprocessor"].pop("batch_augments", None)
    return content


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", METHODS)
def test_differs_from_cam_by_the_method_alone(method, name, load_config):
    """And by its rate where one was searched: on CUB, with the benchmark's networks."""
    ours = without(load_config(f"{method}/{name}.py"), method)
    theirs = without(load_config(f"cam/{name}.py"), method)
    searched = name in {f"{network}_cub" for network in NETWORKS}
    rates = {
        content["optim_wrapper"]["optimizer"].pop("lr") if searched else 0
        for content in (ours, theirs)
    }
    assert len(rates) == 1 + searched
    assert ours == theirs


@pytest.mark.parametrize("method", METHODS)
def test_the_readme_states_what_the_configs_have(method, load_config):
    metafile = yaml.safe_load((CONFIGS / method / "metafile.yml").read_text())
    column = metafile["Collections"][0]["Metadata"]["Tables"]["configs"][1]
    for model in metafile["Models"]:
        stated = re.findall(r"[\d.]+", model["Metadata"]["Row"][column])
        cfg = load_config(model["Config"].removeprefix("configs/"))
        assert tuple(map(float, stated)) == settings(cfg, method), model["Name"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", METHODS)
def test_the_network_is_cams(method, name, load_config, meta_device):
    shapes = [
        {key: value.shape for key, value in build(cfg, meta_device).state_dict().items()}
        for cfg in (load_config(f"{method}/{name}.py"), load_config(f"cam/{name}.py"))
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_hidden_last_and_become_zeros(name, load_config):
    cfg = load_config(f"has/{name}.py")
    steps = [dict(step) for step in cfg.train_dataloader.dataset.pipeline]
    kinds = [step["type"].split(".")[-1] for step in steps]
    assert kinds[-2:] == ["HideAndSeek", "PackWSOLInputs"]
    plain = [dict(s) for s in load_config(f"cam/{name}.py").train_dataloader.dataset.pipeline]
    assert steps[:-2] + steps[-1:] == plain
    for part in ("val", "test"):
        assert "HideAndSeek" not in str(cfg[f"{part}_dataloader"].dataset.pipeline)
    steps[-2]["drop_rate"] = 1.0
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    packed = Compose(steps[-2:])(
        {"img": image, "ori_shape": (40, 40), "img_path": "a", "gt_label": 0}
    )
    preprocessor = MODELS.build(
        dict(type="mmpretrain.ClsDataPreprocessor", **cfg.data_preprocessor)
    )
    inputs = {"inputs": packed["inputs"][None], "data_samples": [packed["data_samples"]]}
    assert not preprocessor(inputs)["inputs"].any()


@pytest.mark.parametrize("network", PLACES)
def test_places_of_the_dropout(network, load_config, meta_device, monkeypatch):
    cfg = load_config(f"adl/{network}_cub.py")
    assert [entry.after for entry in cfg.model.layers] == list(PLACES[network])
    model = build(cfg, meta_device)
    shapes = []
    monkeypatch.setattr(ADL, "forward", lambda _, x: shapes.append(tuple(x.shape[1:3])) or x)
    model.head(model.extract_feat(torch.zeros(2, 3, 224, 224, device=meta_device)))
    assert shapes == list(PLACES[network].values())


def test_head_dropout_is_off_with_adl_only(load_config):
    for data in ("cub", "ilsvrc", "openimages30k"):
        rates = {
            method: load_config(f"{method}/inception_v3_{data}.py").model.head.dropout
            for method in METHODS
        }
        assert rates == {"has": 0.5, "adl": 0.0, "cutmix": 0.5}


@pytest.mark.parametrize("name", NAMES)
def test_mixed_labels_are_the_exact_pasted_area(name, load_config):
    """And the loss is the mixture of the two labels' losses."""
    cfg = load_config(f"cutmix/{name}.py")
    classes = cfg.model.head.num_classes
    assert cfg.data_preprocessor.num_classes == classes
    keys = {**cfg.data_preprocessor, "mean": None, "std": None, "to_rgb": False}
    preprocessor = MODELS.build(dict(type="mmpretrain.ClsDataPreprocessor", **keys))
    head = MODELS.build(
        dict(type="wsol_mm.CAMHead", num_classes=classes, in_channels=2, cal_acc=False)
    )
    np.random.seed(0)
    torch.manual_seed(0)
    inputs = torch.arange(4.0)[:, None, None, None].expand(4, 1, 31, 45)
    mixed = 0
    for _ in range(40):
        samples = [DataSample().set_gt_label(label) for label in range(4)]
        data = {"inputs": inputs.clone(), "data_samples": samples}
        out = preprocessor(data, training=True)
        feats = (torch.randn(4, 2, 3, 3),)
        expected = []
        for i, image in enumerate(out["inputs"]):
            shares = torch.tensor([(image == j).float().mean() for j in range(4)])
            score = out["data_samples"][i].gt_score
            torch.testing.assert_close(score[:4], shares)
            assert score[4:].sum() == 0
            mixed += shares.max() < 1
            logits = head(feats)[i].expand(4, -1)
            expected.append(shares * cross_entropy(logits, torch.arange(4), reduction="none"))
        loss = head.loss(feats, out["data_samples"])["loss"]
        torch.testing.assert_close(loss, torch.stack(expected).sum(1).mean())
        plain = preprocessor({"inputs": inputs.clone(), "data_samples": samples}, training=False)
        assert torch.equal(plain["inputs"], inputs)
    assert mixed
