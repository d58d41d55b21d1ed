"""Speed of an exported file in onnxruntime beside the Localizer that it was made from.

The default model on photographs in memory: both give boxes, on one thread. Sides take turns on the
same batches; CPU time of the process, which other work does not lengthen much. Boxes are compared.

    python -m benchmarks.exported            # about a minute; writes docs/benchmarks.md
    python -m benchmarks.exported --quick    # smoke run, writes nothing
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.inference import DOCS, photographs
from benchmarks.measure import ratio, take_turns, where_measured
from studies.harness.report import machine, write_block
from wsol_mm import Localizer
from wsol_mm.apis.export import export_onnx


def table(times: dict[str, list[float]], batch: int, megabytes: float) -> str:
    """The block for the document."""
    first = next(iter(times.values()))
    rows = ["| | images per second | times the first |", "|---|---|---|"]
    rows += [
        f"| {name} | {batch / statistics.median(found) * 1e3:.1f} | {ratio(first, found):.2f} |"
        for name, found in times.items()
    ]
    facts = "; ".join(f"{name} {value}" for name, value in machine().items())
    return "\n".join(
        [
            f"EfficientNet-Lite0 with 14x14 maps at 224 px as one ONNX file ({megabytes:.0f} MB), "
            f"batches of {batch} photographs in memory,",
            f"{where_measured('cpu')}; medians of {len(first)} rounds, sides in turn "
            "(`python -m benchmarks.exported`). Boxes are equal.",
            "",
            *rows,
            "",
            f"Machine: {facts}.",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write the document; 1 if boxes differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="three images, two rounds")
    parser.add_argument("--docs", type=Path, help="document to write (not with --quick: docs/)")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    batch, rounds = (3, 2) if args.quick else (8, 7)
    localizer = Localizer(method="cam", device="cpu", show_progress=False)
    images = photographs(batch)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(localizer, path)
        megabytes = path.stat().st_size / 1e6
        loaded = Localizer(path, show_progress=False)
    calls = {
        "Localizer, PyTorch": lambda: localizer(images, batch_size=batch),
        "Localizer, ONNX file": lambda: loaded(images, batch_size=batch),
    }
    one, other = (call() for call in calls.values())
    same = all(np.array_equal(a.boxes, b.boxes) for a, b in zip(one, other, strict=True))
    times = take_turns(calls, rounds, "cpu")
    text = table(times, batch, megabytes)
    print(text)
    docs = args.docs or (None if args.quick else DOCS)
    if docs:
        write_block(docs, "exported", text)
    faster = ratio(*times.values())
    print(json.dumps({"times_pytorch": round(faster, 2), "same_boxes": same}))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
