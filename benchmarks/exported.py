"""Speed of an exported file in onnxruntime beside the Localizer that it was made from.

The default model on photographs in memory: both give boxes, on one thread. Sides take turns on the
same batches; CPU time of the process, which other work does not lengthen much. Boxes are compared.

    python -m benchmarks.exported            # about a minute; writes benchmarks/results
    python -m benchmarks.exported --quick    # smoke run, writes nothing
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.inference import NETWORK, default_localizer, photographs, read_options, speeds
from benchmarks.measure import ratio, take_turns, where_measured
from benchmarks.record import finish, measured


def rows_of(times: dict[str, list[float]], batch: int) -> list[dict]:
    """What is kept of each side."""
    first = next(iter(times.values()))
    return [
        {**row, "times_the_first": ratio(first, times[name])}
        for name, row in speeds(times, batch).items()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, keep the record; 1 if boxes differ."""
    args = read_options(__doc__, argv)
    import numpy as np

    from wsol_mm import Localizer
    from wsol_mm.apis.export import export_onnx

    batch, rounds = (3, 2) if args.quick else (8, 7)
    localizer = default_localizer()
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
    settings = {"network": NETWORK, "megabytes": megabytes}
    settings |= {"batch": batch, "rounds": rounds, "where": where_measured("cpu")}
    rows = rows_of(times, batch)
    record = measured("exported", "python -m benchmarks.exported", settings, rows)
    finish(record, args.results if same else None, full=same and not args.quick)
    faster = ratio(*times.values())
    print(json.dumps({"times_pytorch": round(faster, 2), "same_boxes": same}))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
