"""What the documents show works: links lead somewhere, configs build, snippets run."""

import ast
import inspect
import json
import re
import shutil
from pathlib import Path

import pytest
import skimage.data
from mmengine.config import Config
from mmengine.registry import DATASETS, METRICS, MODELS, TRANSFORMS, DefaultScope
from PIL import Image

import wsol_mm.registry  # noqa: F401 - wsol_mm:: bases
from wsol_mm.functional.boxes import box_iou

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += sorted((ROOT / "configs").glob("*/README.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.S | re.M)
BASE = re.compile(r"^_base_ = ", re.M)
FILE = re.compile(r"# ([\w/]+\.py)\n")
BLOCKS = {page: BLOCK.findall(page.read_text("utf-8")) for page in PAGES}


def name(page):
    return f"{page.parent.name}-{page.stem}"


def shown(kind):
    """Blocks of one kind: parts of a file of the repository, whole configs, or other code."""
    for page, blocks in BLOCKS.items():
        for number, block in enumerate(blocks):
            found = "file" if FILE.match(block) else "config" if BASE.search(block) else "code"
            if found == kind:
                yield pytest.param(block, id=f"{name(page)}-{number}")


def parts(value):
    """Every ``dict(type=...)`` inside a value, from the inside out."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from parts(inner)
        if isinstance(value.get("type"), str):
            yield value
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from parts(inner)


def check_ours(value):
    """The parts of ours exist and take the keys that are shown."""
    registries = (MODELS, DATASETS, METRICS, TRANSFORMS)
    for part in parts(value):
        if part["type"].startswith("wsol_mm."):
            kind = next(filter(None, (registry.get(part["type"]) for registry in registries)), None)
            assert kind is not None, part["type"]
            taken = set()
            for base in kind.__mro__:
                if "__init__" in base.__dict__:
                    taken |= set(inspect.signature(base.__init__).parameters)
            assert set(part) - {"type", "_delete_", "_scope_"} <= taken, part


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("block", shown("file"))
def test_shown_files_are_as_they_are(block):
    file = FILE.match(block)[1]
    assert ast.dump(ast.parse(block)) == ast.dump(ast.parse((ROOT / file).read_text())), file


@pytest.mark.parametrize("block", shown("config"))
def test_shown_configs_build(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("configs").symlink_to(ROOT / "configs")
    for file in ("boxes.json", "true_boxes.json"):
        Path(file).write_text(json.dumps({"categories": [{"id": 1, "name": "bird"}]}))
    Path("shown.py").write_text(block)
    cfg = Config.fromfile("shown.py")
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        check_ours(cfg.model.to_dict())
        assert MODELS.build(cfg.model) is not None
        dataset = cfg.train_dataloader.dataset.to_dict()
        dataset = dataset.get("dataset", dataset)  # of a RepeatDataset
        assert DATASETS.build({**dataset, "lazy_init": True}) is not None


def localized_cat(names):
    """What the snippets of docs/localize.md leave behind."""
    with Image.open("cat_box.jpg") as written:
        assert written.size == (451, 300)
    assert names["result"].names == ("tabby, tabby cat",)
    assert len(names["result"].boxes) == 1
    assert names["best"] != names["second"]


def cat_without_the_package(names):
    """What the snippets of docs/deploy.md leave behind: PIL resizes in another way than OpenCV."""
    found, wanted = names["boxes"], names["result"].boxes
    assert box_iou(found, wanted).item() > 0.9
    assert names["names"][names["classes"][0, 0]] == names["result"].names[0]


LEFT_BEHIND = {"docs-localize": localized_cat, "docs-deploy": cat_without_the_package}
RUN = sorted({block.id.rpartition("-")[0] for block in shown("code")})


@pytest.mark.parametrize("page", RUN)
def test_snippets_run(page, tmp_path, monkeypatch, capsys):
    """One after the other, in a folder with a photograph; they print what the page says."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(skimage.data.chelsea()).save("cat.jpg", quality=95)
    shutil.copy(ROOT / "wsol_mm" / "deploy_boxes.py", tmp_path)  # as docs/deploy.md says
    monkeypatch.syspath_prepend(tmp_path)
    names: dict = {}
    promised = []
    for block in shown("code"):
        if block.id.rpartition("-")[0] == page:
            exec(block.values[0], names)
            promised += re.findall(r"^print\(.*\)  # (.*)$", block.values[0], re.M)
    assert capsys.readouterr().out.splitlines()[: len(promised)] == promised
    if page in LEFT_BEHIND:
        LEFT_BEHIND[page](names)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        for key in names.keys() - {"__builtins__"}:
            check_ours(names[key])


def test_localize_tells_the_default_threshold():
    from wsol_mm.apis.predicted_boxes import DEFAULT_THRESHOLD

    page = (ROOT / "docs/localize.md").read_text("utf-8")
    assert f"it is {DEFAULT_THRESHOLD:.2f}".replace("0.", ".") in page


def test_there_are_blocks_to_check():
    counts = [len(list(shown(kind))) for kind in ("file", "config", "code")]
    assert all(count >= least for count, least in zip(counts, (1, 6, 8), strict=True)), counts
