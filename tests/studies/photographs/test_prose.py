"""What the bench's pages say in words is what its tables have."""

import csv
import re
import statistics

import pytest

from studies.harness.report import block_of
from studies.harness.trial import ROOT
from studies.photographs.__main__ import KEPT
from studies.photographs.rows import BENCHES

DOCS = ROOT / "docs"
PAGES = ("photographs.md", *(f"photographs/{p.name}" for p in DOCS.glob("photographs/*.md")))
BLOCK = re.compile(r"<!-- (\w+):begin -->.*?<!-- \1:end -->", re.DOTALL)
NUMBER = r"([-+]?\d*\.?\d+)"
INTERVAL = re.compile(rf"{NUMBER} \[{NUMBER}, {NUMBER}\]")


def read(page: str) -> str:
    return (DOCS / page).read_text()


def blocks_without_csv() -> str:
    entropies = block_of(DOCS / "photographs/detectors.md", "photographs_entropies")
    return entropies + block_of(DOCS / "photographs/taken_apart.md", "photographs_val_epoch")


def measured() -> list[tuple[float, ...]]:
    """Every interval of the tables: mean, low end, high end, and what is lost where it gains."""
    shown = [tuple(map(float, three)) for three in INTERVAL.findall(blocks_without_csv())]
    found = [*shown, *((-mean, -high, -low) for mean, low, high in shown)]
    for path in sorted((DOCS / "photographs").glob("*.csv")):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                for key in row:
                    ends = (key, f"{key} low", f"{key} high")
                    if all(row.get(end) for end in ends):
                        mean, low, high = (float(row[end]) for end in ends)
                        found += [(mean, low, high), (-mean, -high, -low)]
    return found


def close(quoted: str, value: float) -> bool:
    """Whether a quoted number is the value, but for the digits left out."""
    step = 10.0 ** -len(quoted.partition(".")[2])
    return abs(float(quoted) - value) <= 0.5 * step + 0.006  # the csv rounds to .01


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_interval_in_words_is_in_a_table(page):
    text = " ".join(BLOCK.sub("", read(page)).split())
    known = measured()
    quoted = INTERVAL.findall(text)
    wrong = [
        "{} [{}, {}]".format(*three)
        for three in quoted
        if not any(all(map(close, three, found)) for found in known)
    ]
    assert quoted
    assert not wrong, f"{page}: no row has {wrong}; write what the tables say"


def test_what_a_repeated_training_changes_is_what_its_csv_has():
    with (DOCS / "photographs/repeated.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["first processor"] != row["second processor"] for row in rows)
    spread = [
        statistics.pstdev(
            float(row[f"{name} second"]) - float(row[f"{name} first"]) for row in rows
        )
        for name in ("GT-known", "MaxBoxAccV2")
    ]
    text = " ".join(read("photographs.md").split())
    words = f"changed by {spread[0]:.1f} points of GT-known and by {spread[1]:.1f} of MaxBoxAccV2"
    assert f"[{len(rows)} trainings that another processor repeated]" in text
    assert words in text


@pytest.mark.parametrize("page", ["photographs.md", "photographs/detectors.md"])
def test_what_weighted_entropy_changes_is_what_its_table_has(page):
    """Among all intervals of the bench another one is soon like an old one of these."""
    table = block_of(DOCS / "photographs/detectors.md", "photographs_entropies")
    (row,) = (line for line in table.splitlines() if line.startswith("| WE |"))
    mean, low, high = (f"{float(each) + 0:.1f}" for each in INTERVAL.findall(row)[0])
    text = " ".join(BLOCK.sub("", read(page)).split())
    assert f"eighted entropy changes nothing, {mean} [{low}, {high}] points of GT-known" in text


def test_what_labelling_says_of_c2am_is_what_the_bench_has():
    text = " ".join(read("label.md").split())
    makers = block_of(DOCS / "photographs/detectors.md", "photographs_makers")
    cells = [line.strip("| ").split(" | ") for line in makers.splitlines()]
    right = {name: round(float(at_half)) for name, _, _, at_half, _ in cells[2:]}
    assert f"{right['C2AM']} % of its boxes are right at IoU 0.5" in text
    assert f"CAM's are on {right['CAM']} %" in text
    chosen = {}
    for name in ("birds", "pets"):
        bench = BENCHES[name]
        found = bench.finished(bench.row("C2AM"), "last", KEPT).values()
        chosen[name] = statistics.mean(each["stamp"]["threshold"]["value"] for each in found)
        assert len(found) == bench.row("C2AM").seeds
    assert f"chose {chosen['birds']:.2f} for these birds, {chosen['pets']:.2f} for the" in text
