"""tools/demo_app.py: callbacks without a page; then the page itself, called over HTTP."""

import sys

import numpy as np
import pytest
from PIL import Image

from tools.demo_app import build_app, parse_args
from wsol_mm.apis import demo as demo_module
from wsol_mm.apis.demo import BEST_CLASS, OWN_METHOD, Demo, read_models
from wsol_mm.testing.colours import COLOURS, colour_localizer, rectangles

PICTURE = rectangles((448, 224), red=(0, 0, 128, 224), blue=(320, 32, 384, 96))


@pytest.fixture
def demo(monkeypatch):
    """A demo whose models are colour networks; ``calls`` lists what their networks were asked."""

    def build(name, checkpoint, method, device, **more):
        if name == "missing.onnx":
            raise FileNotFoundError("missing.onnx does\nnot exist")
        localizer = colour_localizer(method=method)
        forward = localizer.forward
        localizer.forward = lambda *given, **asked: (
            calls.append((name, method, asked["labels"])) or forward(*given, **asked)
        )
        return localizer

    calls = []
    monkeypatch.setattr(demo_module, "Localizer", build)
    made = Demo({"colours": ("colours", None), "missing": ("missing.onnx", None)}, "cpu")
    made.calls = calls
    return made


def test_localizes_and_reads_maps_again(demo):
    picture, rows, said = demo.localize(PICTURE, "colours")
    assert picture.size == PICTURE.size
    assert np.any(np.asarray(picture) != np.asarray(PICTURE))
    assert [row[0] for row in rows] == ["red"]
    assert rows[0][2:] == pytest.approx([0, 0, 128, 224], abs=16)
    assert said == "1 box, threshold 0.23 (default)."
    _, narrow, said = demo.localize(PICTURE, "colours", threshold=0.9)
    assert said == "1 box, threshold 0.90 (argument)."
    assert narrow[0][4] < rows[0][4]
    assert len(demo.calls) == 1  # the slider does not run the network
    _, rows, _ = demo.localize(PICTURE, "colours", label="blue", objects="all", heat=0)
    assert [row[0] for row in rows] == ["blue"]
    assert len(demo.calls) == 2
    other = PICTURE.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert demo.localize(other, "colours")[1][0][2] == pytest.approx(320, abs=16)


def test_what_cannot_be_is_one_line(demo):
    assert demo.localize(None, "colours") == (None, [], "Drop a photograph.")
    picture, rows, said = demo.localize(PICTURE, "missing")
    assert (picture, rows) == (PICTURE, [])
    assert said == "missing.onnx does not exist"
    assert demo.model_changed("missing") == ([BEST_CLASS], None, said)
    assert "no class 'grey'" in demo.localize(PICTURE, "colours", label="grey")[2]
    assert "method" in demo.localize(PICTURE, "colours", "no_cam")[2]


def test_controls_follow_the_model(demo):
    classes, threshold, said = demo.model_changed("colours")
    assert classes == [BEST_CLASS, *COLOURS]
    assert threshold == 0.23
    assert said == ""


def test_models_of_the_command_line(tmp_path, capsys):
    assert read_models(["a=none", "b=w.pth"]) == {"a": ("a", False), "b": ("b", "w.pth")}
    with pytest.raises(ValueError, match="names a twice"):
        read_models(["a", "a=none"])
    with pytest.raises(SystemExit):
        parse_args(["--models", f"{tmp_path}/none.onnx"])
    assert "none.onnx does not exist" in capsys.readouterr().err


def test_missing_gradio_is_named(demo, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ImportError, match=r"pip install wsol_mm\[demo\]"):
        build_app(demo)


def test_the_page_answers(demo, tmp_path, monkeypatch):
    gradio = pytest.importorskip("gradio", reason="the extra `demo`")
    from gradio_client import Client, handle_file

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    PICTURE.save(tmp_path / "picture.png")
    app = build_app(demo)
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        client = Client(address, verbose=False)
        photograph = handle_file(str(tmp_path / "picture.png"))
        picture, table, said = client.predict(
            photograph, "colours", OWN_METHOD, "blue", 0.5, "all", 0.4, api_name="/localize"
        )
        assert said == "1 box, threshold 0.50 (argument)."
        (row,) = table["data"]
        assert row[0] == "blue"
        assert row[2:] == pytest.approx([320, 32, 384, 96], abs=20)
        with Image.open(picture["path"] if isinstance(picture, dict) else picture) as shown:
            assert shown.size == PICTURE.size
        label, slider, said = client.predict("colours", api_name="/model_changed")
        assert [choice[0] for choice in label["choices"]] == [BEST_CLASS, *COLOURS]
        assert slider["value"] == 0.23
    finally:
        app.close()
        gradio.close_all()
