"""KG-CI-CAM's trainings as trials, with their baselines; their table and the C-L picture.

An expert is a trial of its own; a student names its experts as inputs, so whoever runs the student
trains them first, once.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from studies.effects.effect import distinct, stamp_line
from studies.harness.trial import ROOT, Trial, resolved_config
from wsol_mm.apis.command import strip_pretrained
from wsol_mm.io import atomic_write

STAGE_COLUMNS = {
    "top1_cls": "Top-1 Cls",
    "top1_loc": "Top-1 Loc",
    "gt_known": "GT-known",
    "max_box_acc_v2": "MaxBoxAccV2",
}
BASELINES = {"CAM": "cam", "NL-CCAM": "nl_ccam", "CI-CAM": "ci_cam"}
EXPERTS = {"cls": "classification expert", "loc": "localization expert"}
MARKERS = "os^DvPX*<>"


def expert(
    network: str, kind: Literal["cls", "loc"], options: Mapping[str, Any] | None = None
) -> Trial:
    """The training of one expert.

    Args:
        network: Stem of the student's config, such as ``vgg16_cub``.
        kind: Of classification or localization.
        options: Config keys to override.
    """
    return Trial(f"configs/kg_ci_cam/{network}_{kind}_expert.py", options or {})


def student(
    network: str, experts: Mapping[str, Trial], options: Mapping[str, Any] | None = None
) -> Trial:
    """The training of a student.

    Args:
        network: Stem of its config.
        experts: By kind, ``cls`` and ``loc``; one that is missing does not guide.
        options: Config keys to override, for the student only.
    """
    teachers: dict[str, Any] = {
        f"model.{kind}_teacher.checkpoint": f"{{{kind}_expert}}" for kind in experts
    }
    teachers |= {f"model.{kind}_teacher": None for kind in EXPERTS if kind not in experts}
    return Trial(
        f"configs/kg_ci_cam/{network}.py",
        {**(options or {}), **teachers},
        inputs={f"{kind}_expert": trial for kind, trial in experts.items()},
    )


def unguided(network: str, options: Mapping[str, Any] | None = None) -> Trial:
    """The training of the KG paper's CI-CAM: the student without guidance.

    Args:
        network: Stem of the student's config.
        options: Config keys to override.
    """
    return Trial(f"configs/kg_ci_cam/{network}_ci_cam.py", options or {})


def guidance_stages(
    network: str, options: Mapping[str, Any] | None = None, *, baselines: bool = False
) -> dict[str, Trial]:
    """The trainings of one network by name: both experts, then the student that they teach.

    Args:
        network: Stem of the student's config, such as ``vgg16_cub``.
        options: Config keys to override in every training.
        baselines: CAM, NL-CCAM and CI-CAM of the same network before, where configs exist.

    Raises:
        FileNotFoundError: The network has no such configs; the message lists those that do.
    """
    folder = ROOT / "configs" / "kg_ci_cam"
    known = sorted(
        path.stem
        for path in folder.glob("*.py")
        if (folder / f"{path.stem}_loc_expert.py").exists()
    )
    if network not in known:
        raise FileNotFoundError(f"network {network!r}: expected one of {', '.join(known)}")
    stages = {
        name: Trial(f"configs/{method}/{network}.py", options or {})
        for name, method in (BASELINES.items() if baselines else ())
        if (ROOT / "configs" / method / f"{network}.py").is_file()
    }
    experts = {kind: expert(network, kind, options) for kind in EXPERTS}
    stages |= {EXPERTS[kind]: trial for kind, trial in experts.items()}
    return {**stages, "KG-CI-CAM": student(network, experts, options)}


def on_data(trial: Trial, data_root: str | None) -> Trial:
    """A trial on a folder; without one on the config's own, and a toy one on drawn scenes."""
    data = resolved_config(trial).test_dataloader.dataset
    drawn = data.type == "wsol_mm.ToyScenes"
    return replace(trial, data_root=data_root or (None if drawn else data.data_root))


def from_scratch(trial: Trial) -> Trial:
    """A trial, with its inputs, from random weights."""
    model = resolved_config(trial).model.to_dict()
    options = {key: _at(model, key.split(".")[1:]) for key in strip_pretrained(model)}
    inputs = {name: from_scratch(source) for name, source in trial.inputs.items()}
    return replace(trial, options={**trial.options, **options}, inputs=inputs)


def _at(node: Any, keys: Sequence[str]) -> Any:
    """What stands at a path of keys and indices; None where the last one is not there."""
    for key in keys[:-1]:
        node = node[int(key)] if isinstance(node, Sequence) else node[key]
    return node.get(keys[-1])


def step_seconds(work_dir: Path) -> float | None:
    """Time of a training step: the shortest interval that the logs of a folder have.

    Other work on the machine makes steps longer, never shorter. None without logs.
    """
    rows = [
        json.loads(line)
        for log in sorted(work_dir.glob("*/vis_data/scalars.json"))
        for line in log.read_text().splitlines()
    ]
    times = [row["time"] for row in rows if "loss" in row and "time" in row]
    return min(times, default=None)


def guidance_table(
    results: Mapping[str, Mapping[str, Any]], seconds: Mapping[str, float | None]
) -> str:
    """Markdown table of one result for each name, and what the numbers belong to.

    Args:
        results: Of :func:`studies.harness.run.run_trial`.
        seconds: Of :func:`step_seconds`; the first one is what the others are relative to.
    """
    first = next(iter(results))
    head = ["method", *STAGE_COLUMNS.values(), "epoch", "s per step", f"times {first}"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    base = seconds[first]
    for name, result in results.items():
        cells = [name, *(_shown(result["metrics"].get(key), 1) for key in STAGE_COLUMNS)]
        cells += [str(result["epoch"]), _shown(seconds[name], 3)]
        cells.append(_shown(seconds[name] / base if seconds[name] and base else None, 2))
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Percent on the test split; checkpoints and thresholds are chosen on val."]
    best = {result["metrics"].get("trivial_centre_iou50") for result in results.values()} - {None}
    if len(best) == 1:
        lines[-1] += f" The best centred box has GT-known {best.pop():.1f}."
    lines[-1] += (
        f" Stamp: {distinct(stamp_line(result['stamp']) for result in results.values())}."
        " A step's time is that of the fastest interval in the logs; benchmarks/cost.py measures"
        " it with all models in turn."
    )
    return "\n".join(lines) + "\n"


def _shown(number: float | None, digits: int) -> str:
    return "-" if number is None else f"{number:.{digits}f}"


def draw_dilemma(
    panels: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]], path: Path
) -> None:
    """Plot Top-1 Cls against GT-known, the paper's C-L dilemma.

    Args:
        panels: Title to name to results, one for each seed. A point is their mean, its bars are
            their standard deviation; a name without results is left out.
        path: PNG file to write.
    """
    names = list(dict.fromkeys(name for panel in panels.values() for name in panel))
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(panels) + 2, 4), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    handles: dict[str, Any] = {}
    for axes, (title, methods) in zip(grid, panels.items(), strict=True):
        axes.set(title=title, xlabel=STAGE_COLUMNS["top1_cls"])
        for name in (name for name in names if methods.get(name)):
            number = names.index(name)
            numbers = [
                [result["metrics"][key] for result in methods[name]]
                for key in ("top1_cls", "gt_known")
            ]
            x, y = (statistics.fmean(values) for values in numbers)
            several = len(methods[name]) > 1
            x_sd, y_sd = (statistics.stdev(v) if several else None for v in numbers)
            style = {"marker": MARKERS[number % len(MARKERS)], "color": f"C{number % 10}"}
            handles[name] = axes.errorbar(x, y, y_sd, x_sd, linestyle="", elinewidth=0.8, **style)
        axes.margins(0.15)
        axes.grid(alpha=0.3)
    grid[0].set_ylabel(STAGE_COLUMNS["gt_known"])
    figure.legend(handles.values(), handles.keys(), loc="outside right upper", fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)
