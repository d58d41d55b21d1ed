"""tools/infer.py: pictures, COCO json, printed boxes, and wrong options said at once."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.infer import main, parse_args

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photographs" / "more").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photographs" / "a.png")
    Image.fromarray(noise[::-1]).save(tmp_path / "photographs" / "more" / "a.jpg")
    (tmp_path / "photographs" / "broken.jpg").write_text("no image")
    (tmp_path / "photographs" / "list.txt").write_text("a")
    return tmp_path / "photographs"


def test_pictures_and_json(folder, tmp_path, capsys):
    out, file = tmp_path / "out", tmp_path / "boxes.json"
    options = ["--model", "torchvision/resnet18", "--checkpoint", "none", "--device", "cpu"]
    main(
        [str(folder), "--out", str(out), "--json", str(file), "--labels", "tabby", "cock", *options]
    )
    said = capsys.readouterr()
    assert "in 2 images, written to" in said.out
    assert "1 files that are no images were left out (1 .txt)" in said.err
    assert "could not read 1 image" in said.err
    assert sorted(path.name for path in out.iterdir()) == ["a.jpg", "a_1.jpg"]
    content = json.loads(file.read_text())
    assert content["info"]["method"] == "cam"
    assert content["info"]["threshold"] == 0.23
    assert [image["file_name"] for image in content["images"]] == [
        str(folder / "a.png"),
        str(folder / "more" / "a.jpg"),
    ]
    assert {entry["name"] for entry in content["categories"]} == {"tabby", "cock"}
    main([str(folder / "a.png"), "--threshold", "otsu", *options])
    name, _, score, x0, y0, x1, y1 = capsys.readouterr().out.splitlines()[0].split("\t")
    assert name == str(folder / "a.png")
    assert 0 < float(score) < 1
    assert 0 <= float(x0) < float(x1) <= 80
    assert 0 <= float(y0) < float(y1) <= 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["none.jpg"], "none.jpg does not exist"),
        (["{folder}", "--model", "none.py"], "--model none.py does not exist"),
        (["{folder}", "--checkpoint", "none.pth"], "--checkpoint none.pth does not exist"),
        (["{folder}", "--threshold", "best"], "expected otsu, mean or a number"),
        (["{folder}", "--json", "a.txt"], "ends in .json"),
    ],
)
def test_wrong_options_are_said_before_anything_is_imported(folder, options, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse_args([option.format(folder=folder) for option in options])
    assert message in capsys.readouterr().err


def test_an_unknown_model_is_one_line(folder, capsys, exit_code):
    assert exit_code(main, [folder, "--model", "cam_resnet50_cubs"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: unknown model 'cam_resnet50_cubs': did you mean")


def test_help_is_instant_because_nothing_is_imported():
    code = "import sys, runpy; sys.argv = ['infer.py', '--help']\n"
    code += "try: runpy.run_path('tools/infer.py', run_name='__main__')\n"
    code += "except SystemExit: print({'torch', 'numpy', 'mmengine'} & set(sys.modules))"
    start = time.process_time()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip().endswith("set()")
    assert time.process_time() - start < 0.5
