"""docs/own_method.md: its files, in an empty folder, do what the page says with its commands."""

import importlib.util
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import DefaultScope

from wsol_mm.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/own_method.md").read_text("utf-8")
BLOCKS = {
    title: (language, text)
    for language, title, text in re.findall(
        r'^```(\w+) title="([\w.]+)"\n(.*?)^```', PAGE, re.S | re.M
    )
}
FILES = {title: text for title, (language, text) in BLOCKS.items() if language == "python"}
SPLITS = ("train", "val", "test")
SMALL = {
    "make_toy.py": ["--train", "8", "--val", "6", "--test", "6"],
    "train.py": [
        *("--cfg-options", "train_cfg.max_epochs=1", "train_dataloader.batch_size=4"),
        *(f"{split}_dataloader.num_workers=0" for split in SPLITS),
    ],
    "test.py": ["--cfg-options", *(f"{split}_dataloader.num_workers=0" for split in SPLITS)],
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The page's files in a folder of their own, from which Python imports."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    MODELS._module_dict.pop("LSEHead", None)
    for name in FILES:
        sys.modules.pop(Path(name).stem, None)


def run(words, monkeypatch):
    """Run one command of the page in this process, on few images."""
    if words[:3] == ["python", "-m", "pytest"]:
        assert pytest.main(["-q", "-p", "no:cacheprovider", *words[3:]]) == 0
        return
    assert words[0] == "python"
    tool = words[1].replace("$WSOL", str(ROOT))
    given = [str(next(Path().glob(word))) if "*" in word else word for word in words[2:]]
    monkeypatch.setattr(sys, "argv", [tool, *given, *SMALL[Path(tool).name]])
    try:
        runpy.run_path(tool, run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


def test_the_commands_test_train_two_steps_and_measure(folder, monkeypatch, capsys):
    _, script = BLOCKS["run"]
    for line in script.splitlines():
        if not line.startswith("export "):
            run(shlex.split(line), monkeypatch)
    checkpoint = torch.load(folder / "work_dirs/lse_resnet18_toy/epoch_1.pth", weights_only=False)
    assert checkpoint["meta"]["iter"] == 2
    assert checkpoint["state_dict"]["head.fc.weight"].shape == (6, 128)
    assert "wsol/gt_known" in capsys.readouterr().out


def test_sixty_lines():
    lines = [line for text in FILES.values() for line in text.splitlines() if line.strip()]
    assert re.match(r"# .* in (\d+) lines", PAGE)[1] == "60"
    assert len(lines) <= 60


def test_eight_files():
    rows = re.findall(r"^\| `(.*?)` \|", PAGE, re.M)
    assert "is eight files by hand" in PAGE
    assert len(set(rows)) == 8
    for path in map(Path, rows):
        assert (ROOT / path).exists() == (path.name == "__init__.py")
        assert (ROOT / path).parent.is_dir() != (path.parts[0] == "configs")


def test_the_metafile_fills_the_table(folder):
    path = ROOT / "tools/misc/config_tables.py"
    spec = importlib.util.spec_from_file_location("config_tables", path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    (folder / "configs/lse").mkdir(parents=True)
    for name in ("metafile.yml", "README.md"):
        (folder / "configs/lse" / name).write_text(BLOCKS[name][1])
    (folder / "README.md").write_text("<!-- methods:begin -->\n<!-- methods:end -->\n")
    (folder / "mkdocs.yml").write_text("      # methods:begin\n      # methods:end\n")
    assert tool.main([], folder) == 0
    row = "| [resnet18_toy](resnet18_toy.py) | 96 | 12x12 | not measured |"
    assert row in (folder / "configs/lse/README.md").read_text()
    assert "[configs/lse](configs/lse)" in (folder / "README.md").read_text()

    (stated,) = yaml.safe_load(BLOCKS["metafile.yml"][1])["Models"]
    cfg = Config.fromfile("lse_resnet18_toy.py")
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert stated["Metadata"]["Parameters"] == parameters
    assert stated["Metadata"]["Epochs"] == cfg.train_cfg.max_epochs
