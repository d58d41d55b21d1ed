"""The report in headless Chromium: heads sort, boxes switch layers, both schemes are legible."""

import json
import re

import numpy as np
import pytest
from chromium_run import run_chromium
from PIL import Image
from report_toy import FAULTS, make_result

from wsol_mm.apis.report_page import report_file

DRIVER = """
<script>
(() => {
  const table = document.querySelector(".scroll table");
  const column = k => [...table.tBodies[0].rows].map(row => row.cells[k].textContent);
  const heads = [...table.querySelectorAll("th button")];
  const visible = kind => getComputedStyle(document.querySelector(kind)).display !== "none";
  const found = { names: heads.map(button => button.textContent), before: column(0) };
  heads[0].click(); found.down = column(0);
  heads[0].click(); found.up = column(0);
  heads[3].click(); found.rates = column(3);
  found.sort = heads[3].parentElement.getAttribute("aria-sort");
  found.shown = visible("rect.truth");
  document.querySelector('nav input[value="truth"]').click();
  found.hidden = visible("rect.truth");
  found.images = [...document.images].length;
  found.wide = document.documentElement.scrollWidth <= innerWidth;
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify(found).replaceAll("<", "\\\\u003c");
  document.body.append(result);
})();
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    results = [make_result(folder, name, FAULTS * 3) for name in ("a", "b")]
    report_file(results, folder / "report.html", maps=[folder / "a_maps", folder / "b_maps"])
    return folder / "report.html"


def test_heads_sort_and_layers_switch(chromium, page, tmp_path):
    driven = tmp_path / "driven.html"
    driven.write_text(page.read_text("utf-8").replace("</body>", DRIVER + "</body>"), "utf-8")
    dom = run_chromium(chromium, "--virtual-time-budget=5000", "--dump-dom", driven.as_uri())
    text = re.search(r'<pre id="result">(.*?)</pre>', dom, re.S)[1]
    found = json.loads(text)
    assert found["names"][:2] == ["class", "images"]
    assert found["before"][1:] == ["auk", "wren"]
    assert found["down"][:2] == ["wren", "auk"]
    assert found["up"] == found["down"][::-1]
    assert found["rates"] == sorted(found["rates"], key=float, reverse=True)
    assert found["sort"] == "descending"
    assert (found["shown"], found["hidden"], found["wide"]) == (True, False, True)
    assert "<title>Localization report</title>" in dom


def test_it_is_legible_in_light_and_dark(chromium, page, tmp_path):
    for mode, options in (("light", []), ("dark", ["--blink-settings=preferredColorScheme=0"])):
        shot = tmp_path / f"{mode}.png"
        run_chromium(chromium, *options, f"--screenshot={shot}", page.as_uri())
        grey = np.asarray(Image.open(shot).convert("L"), float)
        background = grey[-20:, :10].mean()
        assert background > 230 if mode == "light" else background < 60
        # text and lines stand out from it
        assert (abs(grey - background) > 100).mean() > 0.01
