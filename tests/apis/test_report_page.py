"""The page of a report: what stands on it, and what no name can do to it."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from report_toy import EVIL, FAULTS, make_result

from wsol_mm.apis.report_charts import bar_chart, line_chart
from wsol_mm.apis.report_data import make_run, read_run
from wsol_mm.apis.report_page import build_page, report_file
from wsol_mm.apis.report_pictures import Pictures
from wsol_mm.apis.report_words import metric_name, stamp_sentences
from wsol_mm.functional.image_record import BoxRecord


class Page(HTMLParser):
    """Tags and their text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for key, value in attrs if key in ("src", "href")]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    worse = ["part only", *(FAULTS * 3)[1:]]
    return make_result(folder, "a", FAULTS * 3), make_result(folder, "b", worse)


@pytest.fixture(scope="module")
def text(results):
    folder = results[0].parent
    out = folder / "report.html"
    said = report_file(results, out, maps=[folder / "a_maps", folder / "b_maps"])
    assert re.fullmatch(r".*report\.html: 2 runs, 0\.\d MB", said)
    return out.read_text("utf-8")


def test_it_holds_every_section(text):
    heads = re.findall(r"<h[23]>(.*?)</h[23]>", text)
    once = ["Numbers", "Trivial predictors, same protocol", "How to read them", "Over thresholds"]
    once += ["IoU of the boxes", "Kinds of error", "By class", "The best boxes"]
    once += ["The median boxes", "The worst boxes"]
    assert all(heads.count(name) == 2 for name in once), heads
    assert heads[:2] == ["b against a", "Lost most"]
    assert "GT-known, IoU 0.5" in text
    assert "a fixed number, set before" in text


def test_names_are_text_and_nothing_comes_from_a_network(text):
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "i" not in page.tags
    assert EVIL not in text
    assert "&lt;script&gt;document.title" in text
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    assert "http" not in text


def test_images_maps_and_boxes_lie_on_each_other(text, results):
    figure = re.search(r"The best boxes</h3>.*?(<figure>.*?</figure>)", text, re.S)[1]
    assert 'viewBox="0 0 160 90"' in figure
    assert "data:image/jpeg" in figure
    # the map covers the image: it was squashed
    assert re.search(r'class="map" href="data:image/png[^>]*width="160.00" height="90.00"', figure)
    truth = '<rect class="box truth" x="40.0" y="30.0" width="60.0" height="50.0"/>'
    assert truth in figure
    assert 'class="box found"' in figure
    lost = re.search(r"Lost most</h3>.*?(<figure>.*?</figure>)", text, re.S)[1]
    assert 'class="box other"' in lost


def test_pictures_that_are_gone_leave_boxes(results, tmp_path):
    run = read_run(results[0], "a")
    moved = [replace(record, img_path="/nowhere.png") for record in run.records]
    page = build_page([Pictures(make_run("a", run.details, moved))])
    assert "data:image" not in page
    assert 'class="box truth"' in page
    found = Pictures(make_run("a", run.details, moved), results[0].parent / "images")
    assert "data:image/jpeg" in build_page([found])
    wrong = [replace(record, image_size=np.array([10, 10])) for record in run.records]
    assert "data:image" not in build_page([Pictures(make_run("a", run.details, wrong))])


def test_records_of_earlier_versions_give_what_they_hold(results):
    run = read_run(results[0], "a")
    gone = dict(level_boxes=None, to_frame=None, gt_boxes=None, image_size=None, img_path=None)
    old = make_run("old", run.details, [replace(record, **gone) for record in run.records])
    page = build_page([Pictures(old)])
    assert "the records are of an earlier version" in page
    assert "not told" in page
    assert "The worst boxes" in page
    assert (old.iou == run.iou).all()


def test_boxes_of_a_detector(results):
    run = read_run(results[0], "a")
    records = [
        BoxRecord(
            img_id=record.img_id,
            gt_label=record.gt_label,
            num_gt=record.num_gt,
            image_size=record.image_size,
            box_iou=np.array([0.2, 0.9][: number % 3]),
            box_score=np.array([0.9, 0.1][: number % 3]),
            boxes=np.array([[50.0, 40, 70, 60], [40, 30, 100, 80]])[: number % 3],
            gt_boxes=record.gt_boxes,
        )
        for number, record in enumerate(run.records)
    ]
    stamp = {**run.details["stamp"], "prediction": "boxes", "box_rule": "best score"}
    details = {**run.details, "stamp": stamp, "curves": {}}
    page = build_page([Pictures(make_run("detector", details, records))])
    assert "Over thresholds" not in page
    assert "no box: 6 of 6 images" in page
    assert "part only" in page


def test_words_and_charts():
    assert metric_name("max_box_acc_v2_iou30") == "MaxBoxAccV2, IoU 0.3"
    assert metric_name("something_new") == "something new"
    chart = line_chart({"<b>": np.array([10.0, 30.0])}, x_label="x", y_label="y", mark=0.5)
    assert "&lt;b&gt;: best 30.0 % at 0.500" in chart
    assert "IoU 0.50 to 1.00: 3 images, 75.0 %" in bar_chart([1, 3], x_label="IoU")


def test_a_stamp_in_sentences(results):
    stamp = read_run(results[0], "a").details["stamp"]
    said = " ".join(stamp_sentences({**stamp, "degenerate": {"nan_maps": 2}}))
    assert "Threshold of maps: 0.500: a fixed number" in said
    assert "nan maps: 2 images." in said
    assert "Intervals: 95 %, 50 bootstrap resamples" in said
