"""The review page in headless Chromium: a script clicks and drags on it as a person would."""

import base64
import json
import re

import numpy as np
import pytest
from chromium_run import run_chromium
from PIL import Image

from wsol_mm.apis.review_page import write_review_page

EVIL = '</script><script>document.title="broken"</script><b>bird</b>'
# Clicks and drags at screen positions; afterwards the download's text stands in #result.
DRIVER = """
<script>
(async () => {
  const card = id => document.querySelector(`article[data-image="${id}"]`);
  const fire = (target, type, x, y) => target.dispatchEvent(new PointerEvent(type,
    { clientX: x, clientY: y, pointerId: 1, bubbles: true, cancelable: true }));
  const at = (id, x, y) => {
    const svg = card(id).querySelector("svg"), m = svg.getScreenCTM();
    return [svg, m.a * x + m.e, m.d * y + m.f];
  };
  const drag = (id, target, from, to) => {
    const [svg, x0, y0] = at(id, ...from), [, x1, y1] = at(id, ...to);
    fire(target || svg, "pointerdown", x0, y0);
    fire(svg, "pointermove", (x0 + x1) / 2, (y0 + y1) / 2);
    fire(svg, "pointermove", x1, y1);
    fire(svg, "pointerup", x1, y1);
  };
  card(1).querySelector(".keep").click();
  drag(2, card(2).querySelector("rect.box"), [10, 10], [30, 25]);          // moved by 20, 15
  drag(3, card(3).querySelector('circle[data-part="se"]'), [60, 50], [90, 80]);
  card(4).focus();
  card(4).dispatchEvent(new KeyboardEvent("keydown", { key: "d", bubbles: true }));
  drag(5, null, [20, 10], [100, 70]);                                      // drawn: it had none
  drag(6, card(6).querySelector("rect.box"), [15, 15], [15, 15]);          // only touched
  let blob;
  URL.createObjectURL = given => { blob = given; return "#"; };
  document.getElementById("download").click();
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = btoa(unescape(encodeURIComponent(await blob.text())));
  result.dataset.count = document.getElementById("count").textContent;
  result.dataset.cards = [...document.querySelectorAll("article")].map(a => a.className).join(",");
  document.body.append(result);
})();
</script>
"""


@pytest.fixture
def page(tmp_path):
    images, boxes = [], []
    for number in range(1, 7):
        name = f"{number}.png"
        Image.fromarray(np.full((90, 120, 3), 40 * number, np.uint8)).save(tmp_path / name)
        images.append(dict(id=number, file_name=name, width=120, height=90, category_id=1))
        if number != 5:
            corner = dict(bbox=[10, 10, 50, 40], area=2000, confidence=0.1 * number)
            boxes.append(dict(id=number, image_id=number, category_id=1, **corner))
    coco = dict(info={}, images=images, annotations=boxes, categories=[dict(id=1, name=EVIL)])
    write_review_page(tmp_path / "review.html", coco, tmp_path, "boxes_reviewed.json")
    return tmp_path / "review.html"


def test_a_person_keeps_fixes_drops_and_draws(chromium, page):
    text = page.read_text("utf-8").replace("</body>", DRIVER + "</body>")
    page.write_text(text, "utf-8")
    dom = run_chromium(chromium, "--virtual-time-budget=5000", "--dump-dom", page.as_uri())
    found = re.search(r'<pre id="result" data-count="(.*?)" data-cards="(.*?)">(.*?)</pre>', dom)
    coco = json.loads(base64.b64decode(found[3]))
    assert found[1] == "5 of 6 images reviewed"
    # the least sure first: 5 has no box, then 1, 2, 3, 4, 6
    assert found[2] == "done,done,done,done,dropped,"
    by_image = {entry["image_id"]: entry for entry in coco["annotations"]}
    assert {image: entry.get("review") for image, entry in by_image.items()} == {
        1: "kept",
        2: "fixed",
        3: "fixed",
        5: "drawn",
        6: None,
    }
    assert by_image[1]["bbox"] == [10, 10, 50, 40]
    assert by_image[2]["bbox"] == pytest.approx([30, 25, 50, 40], abs=1)
    assert by_image[3]["bbox"] == pytest.approx([10, 10, 80, 70], abs=1)
    assert by_image[5]["bbox"] == pytest.approx([20, 10, 80, 60], abs=1)
    assert by_image[6]["bbox"] == [10, 10, 50, 40]
    assert coco["info"]["review"] == dict(kept=1, fixed=2, drawn=1, dropped=1, unseen=1)
    assert "<title>Review of boxes</title>" in dom
    assert "<b>bird</b>" not in dom.split("</script>", 2)[2]


def test_it_looks_like_something_in_light_and_dark(chromium, page, tmp_path):
    pictures = {}
    for mode, options in (("light", []), ("dark", ["--blink-settings=preferredColorScheme=0"])):
        shot = tmp_path / f"{mode}.png"
        run_chromium(chromium, *options, f"--screenshot={shot}", page.as_uri())
        pictures[mode] = np.asarray(Image.open(shot).convert("L"), float)
        assert pictures[mode].std() > 10
    assert pictures["light"][-20:, :10].mean() > 230
    assert pictures["dark"][-20:, :10].mean() < 60
