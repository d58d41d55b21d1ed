"""refinement_report.py: maps, table and figures by one command, which goes on after a kill."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from studies.refinement import __main__ as tool

ROOT = Path(__file__).resolve().parents[3]
IMAGES = 6


def load(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "scenes"
    maker = load("tools/dataset_converters/make_toy.py")
    counts = ["--train", "6", "--val", "6", "--test", str(IMAGES), "--size", "64"]
    maker.main(["--out", str(folder), *counts])
    return folder


@pytest.fixture
def report(data, tmp_path, monkeypatch):
    """Runs the tool in ``tmp_path``; test.py is replaced, refine_maps.py runs in this process."""
    refine_maps = load("tools/refine_maps.py")
    config = tmp_path / "mine.py"
    config.write_text(
        "_base_ = 'wsol_mm::cam/resnet18_toy.py'\n"
        f"test_dataloader = dict(dataset=dict(data_root={str(data)!r}))\n"
        "model = dict(type='wsol_mm.WSOLClassifier', refiners=[\n"
        "    dict(type='wsol_mm.ARM', neighbours=8, iterations=10),\n"
        "    dict(type='wsol_mm.SGRM', max_iterations=3, segment_min_size=9)])\n"
    )
    (tmp_path / "cam.pth").write_bytes(b"weights")
    commands, failing = [], set()

    def write_numbers(numbers, threshold):
        details = numbers.with_name(f"{numbers.stem}_wsol.json")
        stamp = {"threshold": {"value": threshold, "source": "val"}}
        details.write_text(json.dumps({"stamp": stamp}))
        numbers.write_text(json.dumps({"info": {"details": [str(details)]}}))

    def dump_maps(out):
        rng = np.random.default_rng(0)
        names = [p.relative_to(data / "images") for p in (data / "images").rglob("test_*")]
        for name in sorted(names):
            target = out / "coarse" / f"{name.as_posix()}.npy"
            target.parent.mkdir(parents=True, exist_ok=True)
            np.save(target, rng.random((6, 6)).astype(np.float32))

    def run(command, pass_fds, check):
        assert len(pass_fds) == 1
        name, words = Path(command[1]).name, command[2:]
        commands.append([name, *words])
        if name in failing:
            raise subprocess.CalledProcessError(-9, command)
        if name == "test.py":
            numbers = Path(words[words.index("--out") + 1])
            if "--dump-maps" in words:
                dump_maps(tmp_path / "out")
            write_numbers(numbers, {"coarse": 0.25, "arm": 0.4}[numbers.stem])
        else:
            words = [w if w != "2" else "1" for w in words]
            refine_maps.main(words)

    monkeypatch.setattr(tool, "subprocess", SimpleNamespace(run=run))

    def call(*words, chains=(("ARM",), ("ARM", "SGRM"))):
        commands.clear()
        chosen = [word for chain in chains for word in ("--chain", *chain)]
        paths = [str(config), str(tmp_path / "cam.pth"), "--out", str(tmp_path / "out")]
        tool.main([*paths, *chosen, "--images", "2", "--processes", "2", *map(str, words)])
        return list(commands)

    call.failing, call.out, call.config = failing, tmp_path / "out", config
    return call


def files(out):
    return {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_one_command_makes_maps_table_and_figures(report, tmp_path):
    docs = tmp_path / "docs" / "refinement.md"
    docs.parent.mkdir()
    test, own, arm, both = report("--write-docs", docs)
    assert test[0] == "test.py"
    assert test[test.index("--threshold") + 1] == "val"
    assert test[-4:] == [
        "--cfg-options",
        "model.refiners=[]",
        "--dump-maps",
        str(report.out / "coarse"),
    ]
    # ARM's threshold comes from val with ARM behind the maps; a mask has none to choose
    assert own[:2] == ["test.py", str(report.out / "arm.py")]
    assert own[own.index("--threshold") + 1] == "val"
    model = Config.fromfile(report.out / "arm.py").model
    assert model.refiners == [{"type": "wsol_mm.ARM", "neighbours": 8, "iterations": 10}]
    assert model.type == "wsol_mm.WSOLClassifier"
    for command, chain, threshold in ((arm, ["ARM"], "0.4"), (both, ["ARM", "SGRM"], "0.5")):
        assert command[0] == "refine_maps.py"
        start = command.index("--refiners") + 1
        assert command[start : start + len(chain) + 2] == [*chain, "--threshold", threshold]
        objects = json.loads((report.out / "_".join(chain).lower() / "objects.json").read_text())
        settings = objects["info"]["refiners"][0]
        assert settings == {"type": "wsol_mm.ARM", "neighbours": 8, "iterations": 10}
    text = (report.out / "table.md").read_text()
    rows = [line.split(" | ")[0] for line in text.splitlines()[2:5]]
    assert rows == ["| coarse", "| ARM", "| ARM + SGRM"]
    assert "mask IoU" in text
    assert "from val (0.5 for SGRM's masks): coarse 0.25, ARM 0.4, ARM + SGRM 0.5." in text
    assert "ARM (neighbours 8, iterations 10) + SGRM (max_iterations 3" in text
    for name, columns in (("comparison", 4), ("arm", 7), ("sgrm", 9)):
        picture = cv2.imread(str(report.out / f"{name}.jpg"))
        assert picture.shape == (24 + 2 * 150, columns * 150 + 6, 3)
        copy = docs.with_name(f"refinement_{name}.jpg")
        assert copy.read_bytes() == (report.out / f"{name}.jpg").read_bytes()
    assert text.strip() in docs.read_text()


def test_what_is_there_is_not_made_again(report):
    arm = [("ARM",)]
    report(chains=arm)
    first = files(report.out)
    assert report(chains=arm) == []
    assert files(report.out) == first
    shutil.rmtree(report.out / "arm")
    report.failing.add("refine_maps.py")
    with pytest.raises(SystemExit):
        report(chains=arm)
    report.failing.clear()
    assert [command[0] for command in report(chains=arm)] == ["refine_maps.py"]
    assert files(report.out) == first


def test_another_config_does_not_continue_a_folder(report, capsys):
    report(chains=[("ARM",)])
    report.config.write_text(report.config.read_text().replace("iterations=10", "iterations=9"))
    with pytest.raises(SystemExit):
        report(chains=[("ARM",)])
    assert "another config, checkpoint or threshold" in capsys.readouterr().err


def test_errors_are_one_line(report, capsys):
    for words, message in (
        (["--threshold", "1.5"], "expected val, otsu, mean or a number"),
        (["--cfg-options", "model.head.topk=1", "model.refiners=[]"], "SDM"),
    ):
        with pytest.raises(SystemExit):
            report(*words, chains=[("SDM",)])
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("error: ")
        assert message in error
        assert not (report.out / "coarse").exists()


def test_a_threshold_of_ones_own_serves_all_rows(report):
    commands = report("--threshold", "0.3", chains=[("ARM",)])
    assert [command[0] for command in commands] == ["test.py", "refine_maps.py"]
    assert "Threshold: 0.3, the same for all rows" in (report.out / "table.md").read_text()


def test_refiners_need_a_classifier_that_takes_them(tmp_path):
    """The plain CAM of the document is MMPretrain's classifier."""
    cfg = Config.fromfile(ROOT / "configs/cam/resnet18_toy.py")
    assert cfg.model.type == "ImageClassifier"
    path = tool.with_refiners(cfg, [{"type": "wsol_mm.ARM"}], tmp_path / "arm.py")
    model = Config.fromfile(path).model
    assert (model.type, len(model.refiners)) == ("wsol_mm.WSOLClassifier", 1)
    assert "refiners" not in cfg.model
