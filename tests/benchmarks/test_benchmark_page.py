"""docs/benchmarks.md follows from the records: it is current, and no row of a record is lost."""

import csv
import doctest
import json
import re
from dataclasses import replace

import pytest

from benchmarks import page, record
from benchmarks.record import RESULTS, Record, measured, read_record, read_records, write_record
from studies.harness.report import block_of

RECORDS = read_records()
AGAIN = "the page is older than benchmarks/results: python -m benchmarks.page"


def test_the_page_is_current():
    for name, text in page.blocks(RECORDS).items():
        assert block_of(page.PAGE, name) == text, f"{name}: {AGAIN}"


def test_the_files_beside_it_are_current(tmp_path):
    (tmp_path / "benchmarks.md").write_text(page.PAGE.read_text())
    page.write_page(tmp_path / "benchmarks.md")
    assert (tmp_path / "benchmarks.md").read_text() == page.PAGE.read_text()
    folder = page.PAGE.with_suffix("")
    written = {path.name for path in (tmp_path / "benchmarks").iterdir()}
    assert written == {path.name for path in folder.iterdir()}
    for name in written - {"cost.svg"}:
        assert (tmp_path / "benchmarks" / name).read_bytes() == (folder / name).read_bytes(), AGAIN


def test_no_number_stands_outside_of_the_blocks():
    text = re.sub(r"<!-- (\w+):begin -->.*?<!-- \1:end -->", "", page.PAGE.read_text(), flags=re.S)
    text = text.replace("(Table 1)", "").replace("learning rate of 0", "")
    assert re.findall(r"\d+\.?\d*", re.sub(r"(EfficientNet-Lite|ResNet-)\d+", "", text)) == []


def test_a_csv_has_every_row_and_number():
    for name, rows in page.csv_names(RECORDS["cost_vgg16"]).items():
        with (page.PAGE.with_suffix("") / name).open() as file:
            lines = list(csv.DictReader(file))
        assert [line["method"] for line in lines] == [row["method"] for row in rows]
        for line, row in zip(lines, rows, strict=True):
            assert {k: v for k, v in line.items() if v} == {
                key: str(value) for key, value in row.items() if value is not None
            }


def test_what_changed_stands_once_with_all_its_rows():
    cost = page.blocks(RECORDS)["cost"]
    assert cost.count("non-local attention has run") == 1
    assert "NL-CCAM; CI-CAM" in cost
    fresh = {name: replace(each, changed={}) for name, each in RECORDS.items()}
    assert "measured again" not in page.blocks(fresh)["cost"]


def test_what_changed_names_its_csv_where_others_are_current():
    changed = {"CAM": "x differs"}
    one = {
        name: replace(each, changed=changed if name == "cost_vgg16" else {})
        for name, each in RECORDS.items()
    }
    assert "again** in cost_vgg16.csv: CAM: x differs." in page.blocks(one)["cost"]
    every = {name: replace(each, changed=changed) for name, each in RECORDS.items()}
    assert "again**: CAM: x differs." in page.blocks(every)["cost"]


def test_an_exceeded_limit_is_said():
    assert "Every limit holds." in page.blocks(RECORDS)["cost"]
    rows = [dict(row) for row in RECORDS["cost_vgg16"].rows]
    rows[1] |= {"of_train": 2.0, "limit_train": 1.2}
    slow = {**RECORDS, "cost_vgg16": replace(RECORDS["cost_vgg16"], rows=rows)}
    assert "Limits exceeded: HaS on vgg16 (train)." in page.blocks(slow)["cost"]


def test_each_machine_has_one_letter():
    letters = page.machines(RECORDS)
    assert len(set(letters.values())) == len(letters) < len(RECORDS)
    assert f"* **A**: {next(iter(letters))}." in page.blocks(RECORDS)["machines"]


def test_a_record_comes_back_with_what_it_belongs_to(tmp_path):
    rows = [{"part": "x", "ms": 1.23456, "n": 12345678, "none": None}]
    one = measured("some", "python -m x", {"rounds": 3}, rows, {"more": [{"a": 0.00012345}]})
    again = read_record(write_record(one, tmp_path))
    assert again == one
    assert again.row("x") == {"part": "x", "ms": 1.235, "n": 12345678, "none": None}
    assert again.more == {"more": [{"a": 0.0001234}]}
    assert again.changed == {}
    assert "python" in again.machine
    assert again.commit
    with pytest.raises(KeyError, match="some: no row 'y'"):
        again.row("y")


@pytest.mark.parametrize("text", ["[", json.dumps({"name": "x", "number": 3})])
def test_something_else_is_no_record(text, tmp_path):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=r"x\.json: expected a benchmark's record"):
        read_record(tmp_path / "x.json")


def test_records_are_whole():
    for name, each in RECORDS.items():
        assert isinstance(each, Record)
        assert each.name == name == (RESULTS / f"{name}.json").stem
        assert each.rows
        assert each.machine


@pytest.mark.parametrize("module", [page, record], ids=lambda module: module.__name__)
def test_examples(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
