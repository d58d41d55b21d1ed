"""What the documents show works: links lead somewhere, configs parse and build."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, DefaultScope

import wsol_mm.registry  # noqa: F401 - wsol_mm:: bases

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "configs").glob("*/README.md"))
CONFIGS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.S))
    if re.search(r'_base_ = "\w+::', block)
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("block", CONFIGS)
def test_shown_configs_build(block, tmp_path):
    path = tmp_path / "shown.py"
    path.write_text(block)
    cfg = Config.fromfile(path)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        part = cfg.model if cfg.model.type.startswith("wsol_mm.") else cfg.model.head
        assert type(MODELS.build(part)).__module__.startswith("wsol_mm.")
        dataset = DATASETS.build({**cfg.train_dataloader.dataset.to_dict(), "lazy_init": True})
        assert dataset is not None


def test_there_are_configs_to_check():
    assert len(CONFIGS) >= 2
