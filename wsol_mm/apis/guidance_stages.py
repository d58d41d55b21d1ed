"""KG-CI-CAM's trainings in their order, each once, and their numbers side by side."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.config import Config

import wsol_mm.registry  # noqa: F401 - makes `_base_ = 'wsol_mm::...'` work
from wsol_mm.apis.experiments import _Stages
from wsol_mm.apis.trials import ROOT
from wsol_mm.engine.atomic import atomic_write
from wsol_mm.engine.file_lock import file_lock

METRICS = {
    "top1_cls": "Top-1 Cls",
    "top1_loc": "Top-1 Loc",
    "gt_known": "GT-known",
    "max_box_acc_v2": "MaxBoxAccV2",
}
BASELINES = {"CAM": "cam", "NL-CCAM": "nl_ccam", "CI-CAM": "ci_cam"}


@dataclass(frozen=True)
class Stage:
    """One training with its test.

    Attributes:
        name: Its row in the table.
        config: Config file.
        folder: Where it trains.
        options: ``KEY=VALUE`` words for both tools.
    """

    name: str
    config: Path
    folder: Path
    options: tuple[str, ...] = ()

    @property
    def metric(self) -> str:
        """What val chooses the checkpoint by (the first of several)."""
        metric = _config(self.config).default_hooks.checkpoint.save_best
        return metric if isinstance(metric, str) else metric[0]

    @property
    def best(self) -> Path:
        """Pattern of the chosen checkpoint's file."""
        return self.folder / f"best_{self.metric.replace('/', '_')}_*.pth"


def guidance_stages(
    network: str, out: Path, options: Sequence[str] = (), *, baselines: bool = False
) -> list[Stage]:
    """The trainings of one network: both experts, then the student that they teach.

    Args:
        network: Stem of the student's config, such as ``vgg16_cub``.
        out: Folder; each stage has one in it.
        options: ``KEY=VALUE`` words for every stage.
        baselines: Train CAM, NL-CCAM and CI-CAM of the same network before, where configs exist.

    Raises:
        FileNotFoundError: The network has no such configs; the message lists those that do.
    """
    folder, out = ROOT / "configs" / "kg_ci_cam", out.resolve()
    known = sorted(
        path.stem
        for path in folder.glob("*.py")
        if (folder / f"{path.stem}_loc_expert.py").exists()
    )
    if network not in known:
        raise FileNotFoundError(f"network {network!r}: expected one of {', '.join(known)}")
    stages = []
    for name, method in BASELINES.items() if baselines else ():
        config = ROOT / "configs" / method / f"{network}.py"
        if config.is_file():
            stages.append(Stage(name, config, out / method, tuple(options)))
    student = list(options)
    for kind, name in (("cls", "classification expert"), ("loc", "localization expert")):
        config = folder / f"{network}_{kind}_expert.py"
        stages.append(Stage(name, config, out / f"{kind}_expert", tuple(options)))
        student.append(f"model.{kind}_teacher.checkpoint={stages[-1].best}")
    stages.append(Stage("KG-CI-CAM", folder / f"{network}.py", out / "student", tuple(student)))
    return stages


def run_stage(stage: Stage, *, no_pretrained: bool = False) -> dict[str, Any]:
    """Train and test what of it is not done; a killed training goes on from its last checkpoint.

    Args:
        stage: The stage. A second process that wants it waits for the first.
        no_pretrained: Train from random weights.

    Returns:
        ``metrics`` of the test in percent, ``epoch`` chosen, ``step_seconds`` (median of the log).

    Raises:
        ValueError: The folder was begun with another config or other options.
        TrialError: A tool failed; the message names its log.
    """
    state_file, result_file = stage.folder / "stage.json", stage.folder / "result.json"
    settings = [_config(stage.config).to_dict(), stage.options, no_pretrained]
    text = json.dumps(settings, sort_keys=True, default=repr)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    with file_lock(stage.folder / ".lock") as lock:
        state = json.loads(state_file.read_text()) if state_file.is_file() else {"key": key}
        if state["key"] != key:
            raise ValueError(
                f"{stage.folder} was begun with another config or other options: give the same "
                "ones, another --out, or remove it"
            )
        _write(state_file, state)
        tools = _Stages(stage.folder / "log.txt", lock, None)
        words = ["--cfg-options", *stage.options] if stage.options else []
        if not state.get("trained"):
            start = ["--no-pretrained"] if no_pretrained else []
            tools.run(
                "train.py", stage.config, "--work-dir", stage.folder, "--resume", *start, *words
            )
            _write(state_file, {**state, "trained": True})
        if not result_file.is_file():
            (best,) = stage.folder.glob(stage.best.name)
            out = stage.folder / "test" / "numbers.json"
            tools.run("test.py", stage.config, best, "--work-dir", out.parent, "--out", out, *words)
            numbers = json.loads(out.read_text())
            found = {name: numbers.get(f"wsol/{name}") for name in METRICS}
            seconds = _step_seconds(stage.folder)
            epoch = int(best.stem.rpartition("_")[2])
            _write(result_file, {"metrics": found, "epoch": epoch, "step_seconds": seconds})
    return json.loads(result_file.read_text())


def guidance_table(results: dict[str, dict[str, Any]]) -> str:
    """Markdown table of results by name."""
    head = ["method", *METRICS.values(), "epoch", "s per step"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, result in results.items():
        numbers = [result["metrics"][key] for key in METRICS]
        cells = [name, *("-" if number is None else f"{number:.1f}" for number in numbers)]
        cells += [str(result["epoch"]), f"{result['step_seconds']:.3f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw_dilemma(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Plot Top-1 Cls against GT-known, one point per result: the paper's C-L dilemma."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="Top-1 Cls", ylabel="GT-known")
    for name, result in results.items():
        point = result["metrics"]["top1_cls"], result["metrics"]["gt_known"]
        axes.plot(*point, "o")
        axes.annotate(name, point, textcoords="offset points", xytext=(5, 3))
    axes.margins(0.25)
    with atomic_write(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)


@cache
def _config(path: Path) -> Config:
    """A config as it was first read."""
    return Config.fromfile(path)


def _step_seconds(folder: Path) -> float:
    """Median time of a training step, of all logs of the folder."""
    rows = [
        json.loads(line)
        for log in sorted(folder.glob("*/vis_data/scalars.json"))
        for line in log.read_text().splitlines()
    ]
    return statistics.median(row["time"] for row in rows if "loss" in row and "time" in row)


def _write(path: Path, content: dict[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content) + "\n")
