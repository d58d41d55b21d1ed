"""Does the confidence of tools/label.py rank good boxes above bad ones?

    python -m studies.labelling.confidence --data-root data/CUB_200_2011

Localizes in every image of CUB-200-2011, or of a part of it, with the pretrained default model,
which has none of the classes, and compares the boxes with the true ones. Printed is the area
under the ROC curve of each measure: the chance that a good box has a larger value than a bad one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from studies.harness.report import write_block

DOCS = Path(__file__).resolve().parents[2] / "docs" / "label.md"
IOUS = (0.5, 0.7)


class Facts(NamedTuple):
    """What a measure may use: the class's probability, means of the map, shares of it."""

    score: float
    inside: float
    outside: float
    share: float
    area: float


MEASURES = {
    "class score": lambda facts: facts.score,
    "concentration: mean inside minus mean outside": lambda facts: facts.inside - facts.outside,
    "concentration times class score": lambda facts: (facts.inside - facts.outside) * facts.score,
    "share of the map inside the box": lambda facts: facts.share,
    "area of the box": lambda facts: facts.area,
}
OURS = "**confidence: share inside x (1 - mean inside) x score^0.1**"


def auroc(values: NDArray[np.float64], good: NDArray[np.bool_]) -> float:
    """Chance that a good one has the larger value; ties count half.

    >>> auroc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    from scipy.stats import rankdata

    count = int(good.sum())
    ranks = rankdata(values)[good].sum() - count * (count + 1) / 2
    return float(ranks / (count * (len(good) - count)))


def measure(result: Any) -> dict[str, float]:
    """All measures of an image's first box."""
    from wsol_mm.functional.box_confidence import box_confidence

    box, label, _, score = result.rows()[0]
    frame = result.frame
    values = result.rule.frame(result.raw_maps[label], frame.input_size).values
    inner = frame.to_input(box)
    x0, y0, x1, y1 = (round(edge) for edge in inner.tolist())
    cut = values[y0:y1, x0:x1]
    outside = (values.sum() - cut.sum()) / max(1, values.size - cut.size)
    facts = Facts(score, cut.mean(), outside, cut.sum() / values.sum(), cut.size / values.size)
    found = {name: float(rule(facts)) for name, rule in MEASURES.items()}
    return {**found, OURS: box_confidence(values, inner, score)}


def table(rows: list[dict[str, float]], ious: NDArray[np.float64], classes: int) -> str:
    """The block for the document, with 95 % intervals over images."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(ious), (1000, len(ious)))
    lines = ["| measure | " + " | ".join(f"good: IoU {iou}" for iou in IOUS) + " |"]
    lines.append("|---|" + "---|" * len(IOUS))
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        cells = []
        for iou in IOUS:
            good = ious >= iou
            spread = [auroc(values[draw], good[draw]) for draw in draws]
            low, high = np.percentile(spread, (2.5, 97.5))
            cells.append(f"{auroc(values, good):.2f} [{low:.2f}, {high:.2f}]")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    shares = ", ".join(f"{100 * (ious >= iou).mean():.0f} % reach IoU {iou}" for iou in IOUS)
    return "\n".join(
        [
            f"{len(ious)} photographs of {classes} classes of birds, none of which the model "
            f"has: {shares}",
            "(`python -m studies.labelling.confidence --data-root data/CUB_200_2011`). Area under "
            "the ROC curve, 95 % intervals over images:",
            "",
            *lines,
        ]
    )


def main() -> None:
    """Localize, compare, print, write the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True, help="CUB-200-2011 or a part")
    parser.add_argument("--limit", type=int, help="only so many images of each split")
    parser.add_argument("--docs", type=Path, default=DOCS, help="document with the table")
    args = parser.parse_args()
    from wsol_mm import Localizer
    from wsol_mm.datasets import CUB
    from wsol_mm.functional.boxes import box_iou

    truth: dict[str, list[list[float]]] = {}
    for split in ("train", "test"):
        data = CUB(str(args.data_root), split=split, supervision="boxes")
        for index in range(len(data))[: args.limit]:
            item = data.get_data_info(index)
            truth[item["img_path"]] = [instance["bbox"] for instance in item["instances"]]
    results = Localizer()(list(truth))
    results = [result for result in results if len(result.boxes)]
    ious = np.array([box_iou(result.boxes[:1], truth[result.source]).max() for result in results])
    text = table([measure(result) for result in results], ious, len(data.metainfo["classes"]))
    print(text)
    write_block(args.docs, "confidence", text)


if __name__ == "__main__":
    main()
