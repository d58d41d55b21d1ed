"""Pages that lead through the toy scenes: their commands run in order, on fewer scenes."""

import itertools
import json
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCENES = ["--train", "8", "--val", "6", "--test", "6"]
SHORT = {f"{split}_dataloader.num_workers": 0 for split in ("train", "val", "test")}
TRAINING = {"train_cfg.max_epochs": 1, "train_dataloader.batch_size": 4}
NUMBERS = itertools.count()
# page -> what its commands leave behind
PAGES = {
    "train": ["result.json", "pictures", "report.html"],
    "causal_chain": ["student.json"],
    "experiments": ["seen", "loss.png", "gt_known.png", "plain.json", "tta.json", "cam_toy-*.pth"],
    "wend_stages": ["boxes.json", "fcos.json", "joint.json", "boxes2.json"],
}


def toy_commands(page):
    """The tools that a page runs on toy scenes, as words."""
    text = (ROOT / f"docs/{page}.md").read_text()
    for block in re.findall(r"^```bash\n(.*?)^```", text, re.S | re.M):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            real = any(re.match(r"configs/.*(?<!_toy)(?<!_expert)\.py$", word) for word in words)
            if words[:1] == ["python"] and words[1].startswith("tools/") and not real:
                yield words[1:]


def shortened(words):
    """The command with few scenes and one epoch, its patterns filled in."""
    tool = Path(words[0]).stem
    filled = []
    for word in words:
        filled += sorted(map(str, Path().glob(word))) if "*" in word else [word]
    if tool == "make_toy":
        return filled + SCENES
    if tool in ("train", "test", "pseudo_boxes"):
        changes = {**SHORT, **(TRAINING if tool == "train" else {})}
        changes["experiment_name"] = f"docs_{next(NUMBERS)}"  # mmengine's names last a second
        flag = [] if "--cfg-options" in filled else ["--cfg-options"]
        return filled + flag + [f"{key}={value}" for key, value in changes.items()]
    return filled


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("configs", "tools"):
        Path(name).symlink_to(ROOT / name)
    commands = list(toy_commands(page))
    assert len(commands) >= 3
    for words in commands:
        monkeypatch.setattr(sys, "argv", shortened(words))
        try:
            runpy.run_path(words[0], run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise AssertionError(shlex.join(words)) from end
    for name in PAGES[page]:
        assert list(Path().glob(name)), name
    for name in (file for file in PAGES[page] if file.endswith(".json")):
        assert json.loads(Path(name).read_text()), name
