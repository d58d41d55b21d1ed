"""The benchmark of operators sets mmcv's modules to a side, counts calls and keeps its record."""

import json
import sys

import pytest
import torch
from mmcv import ops

from benchmarks import operators
from benchmarks.record import read_record


def test_side_is_set_for_every_function_and_put_back():
    module = sys.modules["mmcv.ops.nms"]  # `ops.nms` is the function
    before = module.ext_module
    counted = operators.Counted(before)
    with operators.operators_of(counted):
        ops.nms(torch.zeros(1, 4), torch.ones(1), 0.5)
        ops.roi_align(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5), (1, 1))
    assert counted.calls == {"nms": 1, "roi_align_forward": 1}
    assert module.ext_module is before


@pytest.mark.slow
def test_quick_run_counts_operators_and_keeps_its_record(tmp_path, capsys):
    assert operators.main(["--quick", "--results", str(tmp_path)]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(line) == list(operators.DETECTORS)
    assert min(line.values()) > 0
    record = read_record(tmp_path / "operators.json")
    called = {row["detector"]: row["called_in_a_step"] for row in record.rows}
    for operator in ("`nms`", "`roi_align_forward`", "`roi_align_backward`"):
        assert operator in called["Faster R-CNN"]
    assert called["FCOS"] == called["Deformable DETR"] == "none"
    assert "`nms`" in record.row("FCOS")["called_at_test"]
    assert record.row("Deformable DETR")["called_at_test"] == "none"


@pytest.mark.skipif(operators.COMPILED, reason="mmcv has compiled operators here")
def test_full_run_without_compiled_operators_says_what_it_needs(capsys):
    assert operators.main([]) == 1
    assert capsys.readouterr().out.startswith("mmcv has no compiled operators here: WSOL_COMPILE")


def test_losses_that_differ_stop_the_run(monkeypatch):
    class Wrong:
        def __getattr__(self, name):
            def called(*args, **kwargs):
                found = getattr(operators.mmcv_ext, name)(*args, **kwargs)
                if name == "roi_align_forward":
                    args[2].add_(1)
                return found

            return called

    monkeypatch.setitem(operators.SIDES, "compiled", Wrong())
    with pytest.raises(AssertionError):
        operators.measure("Faster R-CNN", 2, 64, 1)
