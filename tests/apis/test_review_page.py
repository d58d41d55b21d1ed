"""The review page: what it holds, that names cannot break it, what a review does to the json."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from wsol_mm.apis.review_page import doubt, review_file, write_review_page

EVIL = '</script><script>alert("1")</script>&amp;<!--'


@pytest.fixture
def labelled(tmp_path):
    """Folder and COCO json of three images: sure, unsure, without a box."""
    images = []
    for number, name in enumerate(("a.png", "b<b>.png", "c&amp;.png"), start=1):
        Image.fromarray(np.full((90, 120, 3), 60 * number, np.uint8)).save(tmp_path / name)
        images.append(dict(id=number, file_name=name, width=120, height=90, category_id=7))
    boxes = [
        dict(id=1, image_id=1, category_id=7, bbox=[10, 10, 50, 40], area=2000, confidence=0.9),
        dict(id=5, image_id=2, category_id=7, bbox=[0, 0, 20, 20], area=400, confidence=0.2),
    ]
    coco = dict(
        info=dict(maker="test"),
        images=images,
        annotations=boxes,
        categories=[dict(id=7, name=EVIL)],
    )
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    return tmp_path, coco


def held(page):
    """The json that the page holds."""
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text("utf-8"), re.S)[1])


def test_the_least_sure_come_first(labelled):
    _, coco = labelled
    assert doubt(coco) == {3: -1.0, 2: 0.2, 1: 0.9}
    assert list(doubt(coco)) == [3, 2, 1]


def test_page_holds_everything_and_names_stay_text(labelled):
    folder, coco = labelled
    said = review_file(folder / "r.html", folder / "boxes.json", folder, 2)
    assert said.endswith("the 2 most doubtful of 3 images")
    text = (folder / "r.html").read_text("utf-8")
    assert text.count("<script") == text.count("</script>") == 2
    assert "alert" in text
    assert not re.search(r'(src|href)="?(https?:)?//', text)
    data = held(folder / "r.html")
    assert data["coco"] == coco
    assert [picture["image"]["id"] for picture in data["pictures"]] == [3, 2]
    assert data["pictures"][0]["src"].startswith("data:image/jpeg;base64,")
    assert data["name"] == "boxes_reviewed.json"


def test_large_images_are_made_smaller(labelled):
    folder, coco = labelled
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 1200, 3), np.uint8)).save(
        folder / "a.png"
    )
    write_review_page(folder / "r.html", coco, folder, "x.json")
    assert (folder / "r.html").stat().st_size < 500_000


@pytest.fixture
def script(labelled):
    """Function that runs an expression in the page's script without a page."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    folder, coco = labelled
    write_review_page(folder / "r.html", coco, folder, "x.json")
    code = re.findall(r"<script>(.*?)</script>", (folder / "r.html").read_text("utf-8"), re.S)[0]

    def run(expression):
        program = f"{code}\nconsole.log(JSON.stringify({expression}))"
        done = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return run, coco


def test_reviews_change_what_they_speak_of_and_nothing_else(script):
    run, coco = script
    reviews = {
        "1": dict(status="dropped", bbox=[0, 0, 1, 1]),
        "drawn1": dict(status="drawn", bbox=[1.234, 2, 30, 40], image_id=3, category_id=7),
        "drawn2": dict(status="dropped", bbox=[1, 2, 3, 4], image_id=3, category_id=7),
    }
    done = run(f"applyReviews({json.dumps(coco)}, {json.dumps(reviews)})")
    assert done["annotations"][0] == coco["annotations"][1]
    drawn = dict(id=6, image_id=3, category_id=7, iscrowd=0, review="drawn")
    assert done["annotations"][1:] == [drawn | dict(bbox=[1.23, 2, 30, 40], area=1200)]
    assert done["info"] == dict(
        maker="test", review=dict(kept=0, fixed=0, drawn=1, dropped=1, unseen=1)
    )
    assert done["images"] == coco["images"]
    fixed = run(
        f"applyReviews({json.dumps(coco)}, {{5: {{status: 'fixed', bbox: [5, 6, 7, 8]}}, "
        "1: {status: 'kept', bbox: [9, 9, 9, 9]}})"
    )
    assert [(a["bbox"], a["review"], a["area"]) for a in fixed["annotations"]] == [
        ([10, 10, 50, 40], "kept", 2000),
        ([5, 6, 7, 8], "fixed", 56),
    ]


@pytest.mark.parametrize(
    ("part", "move", "expected"),
    [
        ("move", (5, -20), [15, 0, 50, 40]),
        ("move", (500, 500), [70, 50, 50, 40]),
        ("se", (10, 5), [10, 10, 60, 45]),
        ("nw", (-50, 5), [0, 15, 60, 35]),
        ("se", (-60, -60), [0, 0, 10, 10]),
    ],
)
def test_dragging_stays_in_the_image(script, part, move, expected):
    run, _ = script
    assert run(f"dragged([10, 10, 50, 40], '{part}', {move[0]}, {move[1]}, 120, 90)") == expected
