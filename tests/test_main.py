"""python -m wsol_mm runs the package's own tools."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["wsol_mm", *words])
    runpy.run_module("wsol_mm", run_name="__main__")


def test_it_lists_the_tools(monkeypatch, capsys):
    call(monkeypatch)
    listed = capsys.readouterr().out.partition("tools: ")[2].strip().split(", ")
    tools = ROOT / "tools"
    assert listed == sorted(
        path.relative_to(tools).with_suffix("").as_posix() for path in tools.rglob("*.py")
    )


def test_it_runs_one_with_its_arguments(monkeypatch, tmp_path):
    sizes = ("--train", "6", "--val", "6", "--test", "6")
    with pytest.raises(SystemExit) as end:
        call(monkeypatch, "dataset_converters/make_toy", "--out", str(tmp_path / "toy"), *sizes)
    assert end.value.code == 0
    assert len((tmp_path / "toy/images.txt").read_text().splitlines()) >= 12


def test_help_is_the_tools(monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        call(monkeypatch, "infer", "--help")
    assert end.value.code == 0
    assert "usage: infer.py" in capsys.readouterr().out


def test_an_unknown_tool_is_named(monkeypatch):
    with pytest.raises(SystemExit, match=r"no tool infr: expected one of .*infer"):
        call(monkeypatch, "infr")


def test_configs_of_the_package_have_names(monkeypatch, capsys):
    call(monkeypatch, "misc/print_config", "wsol_mm::cam/resnet18_toy.py")
    printed = capsys.readouterr().out
    call(monkeypatch, "misc/print_config", str(ROOT / "configs/cam/resnet18_toy.py"))
    assert printed == capsys.readouterr().out
    assert "wsol_mm.CAMHead" in printed
