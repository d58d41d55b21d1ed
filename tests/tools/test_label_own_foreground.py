"""docs/label.md: the page's config learns from class folders, and its map labels them."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from tool_runs import ROOT, call

PAGE = (ROOT / "docs/label.md").read_text("utf-8")
CONFIG = re.search(r"Save as `mine\.py`:\n\n```python\n(.*?)```", PAGE, re.S).group(1)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("auklet", "albatross"):
        (tmp_path / "photographs" / name).mkdir(parents=True)
        for number in range(2):
            pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"photographs/{name}/{number}.jpg")
    text = CONFIG.replace('"photographs"', repr(str(tmp_path / "photographs")))
    assert text != CONFIG
    (tmp_path / "mine.py").write_text(text)
    return tmp_path


def test_the_pages_config_trains_and_labels(folder, monkeypatch):
    few = ["train_cfg.max_epochs=1", "train_dataloader.batch_size=2"]
    few += ["train_dataloader.num_workers=0"]
    work_dir = folder / "work_dirs/mine"
    words = ["--no-pretrained", "--work-dir", work_dir, "--cfg-options", *few]
    call(monkeypatch, "train.py", folder / "mine.py", *words)
    words = ["--model", work_dir / "mine.py", "--checkpoint", work_dir / "epoch_1.pth"]
    out = folder / "boxes.json"
    photographs = folder / "photographs"
    call(monkeypatch, "label.py", photographs, "--out", out, "--threshold", "0.7", *words)
    found = json.loads(out.read_text())
    assert [each["name"] for each in found["categories"]] == ["albatross", "auklet"]
    assert len(found["images"]) == len(found["annotations"]) == 4
