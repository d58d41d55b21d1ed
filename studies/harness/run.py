"""Trials: train a config, test what val chose, keep the numbers; once, and whatever interrupts it.

A study (effect rows, head-to-head, sweep) is a list of :class:`Trial`; :func:`run_trials` runs what
is not finished yet. Below its folder ``root``:

- ``scenes/``: the toy scenes, one folder per dials and seed, shared by all trials;
- ``runs/``: one folder per training with configs, log and checkpoints (the newest and the best),
  and the pseudo boxes that it made;
- ``results/<name>-<key>-seed<k>.json``: the numbers, and everything they belong to.

The key is a hash of what the numbers follow from, so a changed config is another trial, and a
finished one is never repeated.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import IO, Any

from studies.harness.fork import run_tool
from studies.harness.images import image_columns
from studies.harness.report import machine
from studies.harness.store import finished_result, result_file
from studies.harness.trial import (
    ROOT,
    PseudoBoxes,
    Trial,
    describe,
    resolved_config,
    trial_key,
    write_config,
)
from wsol_mm.apis.box_files import file_sha256
from wsol_mm.io import atomic_write, file_lock


class TrialError(RuntimeError):
    """A stage of a trial failed; the message names its log."""


def trial_folder(trial: Trial, root: str | os.PathLike[str]) -> Path:
    """Where the training of a trial stands: configs, ``log.txt``, and checkpoints in ``train/``."""
    name = f"{trial.name}-{trial_key(trial, test=False)[:8]}-seed{trial.seed}"
    return Path(root).resolve() / "runs" / name


def run_trial(
    trial: Trial,
    root: str | os.PathLike[str],
    *,
    kept: str | os.PathLike[str] | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Draw scenes, train, test: what of it is not done yet. A killed run continues.

    The tools run as forks (:mod:`studies.harness.fork`) and write to ``log.txt`` of the run's
    folder. A second process that wants the same trial waits for the first.

    Args:
        trial: The trial.
        root: Folder of the study, see the module.
        kept: Another folder of results to look into first.
        threads: CPU threads of each tool; all by default.

    Returns:
        The result: ``metrics`` of the test split in percent and their ``stamp``, ``val`` (metrics
        of its epoch), ``epoch`` of the checkpoint, ``history`` (metrics of val after each epoch
        that was validated), ``images`` (right or wrong per test image, see
        :func:`studies.harness.images.image_columns`), ``train_seconds`` (None when the training
        was cut off on the way), the trial's fields and key, hashes of the checkpoint and of the
        inputs' files (see :func:`studies.harness.store.other_files`), versions and machine.

    Raises:
        TrialError: A tool failed.
        FileNotFoundError, KeyError: As :func:`resolved_config`.
    """
    results = Path(root) / "results"
    done = finished_result(trial, results, kept)
    if done is not None:
        return done
    folder = trial_folder(trial, root)
    with file_lock(folder / ".lock") as lock:
        done = finished_result(trial, results, kept)  # another process may have finished it
        if done is not None:
            return done
        stages = _Stages(folder / "log.txt", lock, threads)
        files = {"data": _data(trial, root, stages), **_inputs(trial, root, stages)}
        result = describe(trial)
        for name in trial.inputs:
            result["inputs"][name]["sha256"] = file_sha256(files[name])
        if trial.trains:
            facts = _train(trial, folder, files, stages)
            result |= _chosen(trial, facts, folder / "train")
        result |= {**_test(trial, folder, files, stages), "machine": machine()}
        with atomic_write(result_file(trial, results)) as temporary:
            temporary.write_text(json.dumps(result, indent=1, default=repr) + "\n")
    return result


def train_trial(
    trial: Trial, root: str | os.PathLike[str], *, threads: int | None = None
) -> dict[str, Any]:
    """The part of :func:`run_trial` before the test, for choices that only val may make.

    A later :func:`run_trial` of the same trial goes on from here.

    Returns:
        ``val`` (metrics that chose the checkpoint), its ``epoch``, ``history`` and
        ``train_seconds``.

    Raises:
        TrialError: A tool failed.
        FileNotFoundError, KeyError: As :func:`resolved_config`.
    """
    folder = trial_folder(trial, root)
    with file_lock(folder / ".lock") as lock:
        stages = _Stages(folder / "log.txt", lock, threads)
        files = {"data": _data(trial, root, stages), **_inputs(trial, root, stages)}
        return _chosen(trial, _train(trial, folder, files, stages), folder / "train")


def run_trials(
    trials: Sequence[Trial],
    root: str | os.PathLike[str],
    jobs: int = 1,
    *,
    kept: str | os.PathLike[str] | None = None,
    stop_after: float | None = None,
) -> list[dict[str, Any] | None]:
    """Run trials, ``jobs`` at once, and print a line for each.

    With several jobs each has one thread. Trials that share a training run one after the other; a
    failed trial does not stop the others.

    Args:
        trials: The trials; equal ones run once.
        root: Folder of the study.
        jobs: Trials at once.
        kept: As for :func:`run_trial`.
        stop_after: Seconds after which no further trial is begun.

    Returns:
        Results in the order of the trials; None where one failed, said at the end of the output,
        or was not begun.
    """
    begun = time.time()
    outcomes: dict[int, dict[str, Any] | Exception] = {}
    chains: dict[str, list[int]] = {}
    for index, trial in enumerate(trials):
        try:
            chains.setdefault(trial_key(trial, test=False), []).append(index)
        except Exception as error:  # a row with a broken config must not stop the others
            outcomes[index] = error

    def run(chain: list[int]) -> None:
        for index in chain:
            start = time.time()
            if stop_after is not None and start - begun > stop_after:
                outcomes[index] = TrialError(f"not begun: {stop_after:g} s were over")
                continue
            try:
                outcome = run_trial(trials[index], root, kept=kept, threads=1 if jobs > 1 else None)
            except Exception as error:
                outcome = error
            outcomes[index] = outcome
            state = "failed" if isinstance(outcome, Exception) else _headline(outcome)
            label = f"{trials[index].name} seed {trials[index].seed}"
            line = f"[{len(outcomes)}/{len(trials)}] {label}: {state}"
            # whole with its end, or two threads' lines run together
            print(f"{line} ({time.time() - start:.0f} s)\n", end="", flush=True)

    with ThreadPoolExecutor(max_workers=max(jobs, 1)) as pool:
        try:
            for future in as_completed([pool.submit(run, chain) for chain in chains.values()]):
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for index in range(len(trials)):
        if isinstance(outcomes[index], Exception):
            print(f"failed: {trials[index]}\n  {outcomes[index]}", flush=True)
    found = [outcomes[index] for index in range(len(trials))]
    return [None if isinstance(outcome, Exception) else outcome for outcome in found]


class _Stages:
    """Runs the repository's tools, one after the other, into one log."""

    def __init__(self, log: Path, lock: IO[str], threads: int | None) -> None:
        self.log, self.lock, self.threads = log, lock, threads

    def run(self, tool: str, *words: object) -> None:
        arguments = [str(word) for word in words]
        with self.log.open("a") as log:
            print("$ python", f"tools/{tool}", *arguments, file=log)
        # The tool inherits the lock: when this process is killed, a restart waits for it.
        code = run_tool(
            ROOT / "tools" / tool, arguments, log=self.log, lock=self.lock, threads=self.threads
        )
        if code:
            lines = self.log.read_text(errors="replace").strip().splitlines()
            raise TrialError(f"{tool} ended with {code}, log {self.log}: {lines[-1]}")


def _data(trial: Trial, root: str | os.PathLike[str], stages: _Stages) -> Path:
    """The folder of the data; scenes are drawn unless they are there."""
    if trial.data_root:
        return Path(trial.data_root).resolve()
    digest = hashlib.sha256(json.dumps(trial.dials).encode()).hexdigest()[:8]
    name = f"{digest if trial.dials else 'default'}-seed{trial.seed}"
    folder = Path(root).resolve() / "scenes" / name
    with file_lock(folder.with_name(f".{name}.lock")):
        if not folder.is_dir():  # the folder appears whole or not at all
            words = ("--out", folder, "--seed", trial.seed, *trial.dials)
            stages.run("dataset_converters/make_toy.py", *words)
    return folder


def _inputs(trial: Trial, root: str | os.PathLike[str], stages: _Stages) -> dict[str, Path]:
    """The files of a trial's inputs; what is missing is trained and drawn."""
    threads = stages.threads
    files = {}
    for name, source in trial.sources().items():
        train_trial(source, root, threads=threads)
        folder = trial_folder(source, root)
        files[name] = chosen_checkpoint(source, folder / "train")
        boxes = trial.inputs[name]
        if isinstance(boxes, PseudoBoxes):
            files[name] = _boxes(files[name], source.checkpoint, boxes.threshold, folder, threads)
    return files


def _boxes(
    checkpoint: Path, choice: str, threshold: str | None, folder: Path, threads: int | None
) -> Path:
    """Pseudo boxes of the training images, drawn unless they are there."""
    rule = [] if threshold is None else ["--threshold", threshold]
    file = folder / f"boxes-{choice}-{threshold or 'score'}.json"
    with file_lock(folder / ".lock") as lock:
        if not file.is_file():
            words = (*rule, "--split", "train", "--out", file)
            stages = _Stages(folder / "log.txt", lock, threads)
            stages.run("pseudo_boxes.py", folder / "config.py", checkpoint, *words)
    return file


def _train(
    trial: Trial, folder: Path, files: Mapping[str, Path], stages: _Stages
) -> dict[str, Any]:
    """Train, unless a test of the same training has done so."""
    marker, work_dir = folder / "trained.json", folder / "train"
    if marker.is_file():
        return json.loads(marker.read_text())
    config = write_config(resolved_config(trial), folder / "config.py", files)
    resumed, start = (work_dir / "last_checkpoint").is_file(), time.time()
    stages.run("train.py", config, "--work-dir", work_dir, "--resume")
    seconds = time.time() - start
    newest = Path((work_dir / "last_checkpoint").read_text().strip()).name
    for checkpoint in work_dir.glob("*.pth"):
        if checkpoint.name != newest and not checkpoint.name.startswith("best_"):
            checkpoint.unlink()
    facts = {
        "train_seconds": None if resumed else round(seconds, 1),
        "history": _history(work_dir),
    }
    with atomic_write(marker) as temporary:
        temporary.write_text(json.dumps(facts) + "\n")
    return facts


def _chosen(trial: Trial, facts: Mapping[str, Any], work_dir: Path) -> dict[str, Any]:
    """The facts of a training as one trial sees them: those of its checkpoint's epoch."""
    epoch = int(Path(chosen_checkpoint(trial, work_dir)).stem.rpartition("_")[2])
    return {**facts, "epoch": epoch, "val": facts["history"].get(str(epoch), {})}


def _test(trial: Trial, folder: Path, files: Mapping[str, Path], stages: _Stages) -> dict[str, Any]:
    """Test the best checkpoint."""
    out = folder / f"test-{trial_key(trial)[:8]}"
    cfg = resolved_config(trial, test=True)
    tta = ["--tta"] if "tta_scales" in cfg else []
    config = write_config(cfg, out / "config.py", files)
    file = out / "result.json"
    checkpoint = chosen_checkpoint(trial, folder / "train")
    stages.run("test.py", config, checkpoint, "--work-dir", out, "--out", file, *tta)
    numbers = json.loads(file.read_text())
    info = numbers.pop("info")
    found: dict[str, Any] = {"metrics": _without_prefix(numbers), "stamp": {}}
    if Path(checkpoint).is_file():  # not the address of a package's weights
        found["checkpoint_sha256"] = file_sha256(checkpoint)
    for details, records in zip(info["details"], info["records"], strict=True):
        found["stamp"] = json.loads(Path(details).read_text())["stamp"]
        if Path(records).is_file():
            found["images"] = image_columns(records)
    return found


def chosen_checkpoint(trial: Trial, work_dir: Path) -> Path | str:
    """The checkpoint that a trial stands for.

    Raises:
        TrialError: As :func:`best_checkpoint`.
    """
    if trial.checkpoint == "val":
        return best_checkpoint(work_dir)
    if trial.checkpoint == "last":
        return work_dir / Path((work_dir / "last_checkpoint").read_text().strip()).name
    return trial.checkpoint


def best_checkpoint(work_dir: Path) -> Path:
    """The checkpoint that the val split chose.

    Raises:
        TrialError: There is none, or the config chooses by several metrics.
    """
    found = sorted(work_dir.glob("best_*.pth"))
    if len(found) != 1:
        raise TrialError(
            f"{work_dir}: expected one best_*.pth, found {len(found)}; the config needs "
            "default_hooks.checkpoint.save_best with one metric"
        )
    return found[0]


def _history(work_dir: Path) -> dict[str, dict[str, float]]:
    """Metrics of every validation by epoch, from the logs of all parts of a run."""
    found: dict[str, dict[str, float]] = {}
    for log in sorted(work_dir.glob("*/vis_data/scalars.json")):
        for line in log.read_text().splitlines():
            row = json.loads(line)
            if any(key.startswith("wsol/") for key in row):
                metrics = {key: value for key, value in row.items() if "/" in key}
                found[str(row["step"])] = _without_prefix(metrics)
    return found


def _headline(result: Mapping[str, Any]) -> str:
    wanted = ("top1_cls", "gt_known", "max_box_acc_v2")
    found = [f"{key} {result['metrics'][key]:.1f}" for key in wanted if key in result["metrics"]]
    return ", ".join(found)


def _without_prefix(numbers: Mapping[str, float]) -> dict[str, float]:
    return {key.removeprefix("wsol/"): value for key, value in numbers.items()}
