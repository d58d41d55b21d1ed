"""What it changes to test the epoch that val chose in place of the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from studies.harness.images import mean_difference
from studies.harness.report import markdown_table
from studies.photographs.rows import DETECTORS, FROZEN

if TYPE_CHECKING:
    from studies.photographs.report import Line

COLUMNS = {"gt_known": "GT-known", "max_box_acc_v2": "MaxBoxAccV2"}


def val_epoch_table(benches: Mapping[str, Sequence[Line]]) -> str | None:
    """Val's epoch minus the last, over all rows of a bench that were tested at both.

    Localizers and detectors apart. Refiners and other kinds of map share the training of their
    row, and where no map is trained there is nothing to choose but a classifier: neither counts.

    Args:
        benches: Lines by the name of a bench.

    Returns:
        A table; None where no row was tested at both.
    """
    no_training = {row.name for row in FROZEN}
    boxes = {row.name for row in DETECTORS}
    rows = [["trained on", "rows", "seeds", *COLUMNS.values()]]
    for bench, lines in benches.items():
        own = [line for line in lines if not line.row.test_options]
        own = [line for line in own if line.row.name not in no_training]
        for kind in ("localizers", "detectors"):
            sides: dict[str, dict[str, Line]] = {"last": {}, "val": {}}
            for line in own:
                if (line.row.name in boxes) == (kind == "detectors"):
                    sides[line.checkpoint][line.row.name] = line
            pairs = [
                (sides["last"][name].columns, chosen.columns)
                for name, chosen in sides["val"].items()
                if name in sides["last"] and set(sides["last"][name].seeds) & set(chosen.seeds)
            ]
            if pairs:
                changes = [mean_difference(pairs, number) for number in COLUMNS]
                cells = [change.marked for change, _ in changes]
                rows.append([f"{bench}: {kind}", str(len(pairs)), str(changes[0][1]), *cells])
    return markdown_table(rows) if len(rows) > 1 else None
