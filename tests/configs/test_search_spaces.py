"""The ranges beside the methods' configs fit these configs."""

from pathlib import Path

import pytest

from studies.search.space import load_space

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
METHODS = ("cam", "has", "acol", "spg", "adl", "cutmix", "bridgegap")


def value_of(cfg, key):
    for part in key.split("."):
        cfg = cfg[int(part)] if part.isdigit() else cfg[part]
    return cfg


@pytest.mark.parametrize("method", METHODS)
def test_every_config_of_the_method_lies_inside(method, load_config):
    for path in sorted((CONFIGS / method).glob("*.py")):
        cfg = load_config(f"{method}/{path.name}")
        space = load_space([CONFIGS / method / "search.yml"], cfg)
        assert "lr" in {parameter.name for parameter in space}
        for parameter in space:
            low, high = parameter.bounds
            for group in parameter.groups:
                for key in group:
                    assert low <= value_of(cfg, key) <= high, (path.name, key)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*/search_toy.yml")), ids=str)
def test_toy_ranges_replace_entries(file, load_config):
    for method in METHODS if file.parent.name == "cam" else [file.parent.name]:
        cfg = load_config(f"{method}/resnet18_toy.py")
        plain = CONFIGS / method / "search.yml"
        names = [parameter.name for parameter in load_space([plain], cfg)]
        space = load_space([plain, file], cfg)
        assert [parameter.name for parameter in space] == names
        rate = next(parameter for parameter in space if parameter.name == "lr")
        assert rate.bounds[0] < cfg.optim_wrapper.optimizer.lr < rate.bounds[1]
