"""Where results are kept: a json file per fresh run, a jsonl file per study in the repository.

A result's name (config, first digits of the trial's key, seed) finds it in both: a fresh one is
the file ``<name>.json`` of a folder, a kept one a line of a ``*.jsonl`` in it, ``run`` its name.
What a repeated training replaces moves to a file of the same name in the folder ``replaced``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from studies.harness.trial import Trial, trial_key
from wsol_mm.io import atomic_write

Result = dict[str, Any]
CURVES = ("top1_cls", "top1_loc", "gt_known", "max_box_acc_v2")  # kept of every epoch


def run_name(trial: Trial) -> str:
    """Name of a trial's result."""
    return f"{trial.name}-{trial_key(trial)[:8]}-seed{trial.seed}"


def result_file(trial: Trial, results: str | os.PathLike[str]) -> Path:
    """Where the fresh result of a trial stands in a folder of results."""
    return Path(results) / f"{run_name(trial)}.json"


def finished_result(trial: Trial, *folders: str | os.PathLike[str] | None) -> Result | None:
    """The result of a trial from the first of these folders that has it."""
    name = run_name(trial)
    for folder in filter(None, folders):
        file = Path(folder) / f"{name}.json"
        if file.is_file():
            return json.loads(file.read_text())
        for lines in sorted(Path(folder).glob("*.jsonl")):
            found = read_lines(lines).get(name)
            if found is not None:
                return found
    return None


_read: dict[Path, tuple[tuple[int, int], dict[str, Result]]] = {}


def read_lines(path: Path) -> dict[str, Result]:
    """The results of a jsonl file by name; read again only when the file changed.

    Raises:
        ValueError: A line is not a result.
    """
    state = path.stat()
    stamp = (state.st_mtime_ns, state.st_size)
    if path not in _read or _read[path][0] != stamp:
        found = {}
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            try:
                result = json.loads(line)
                found[result.pop("run")] = result
            except (json.JSONDecodeError, KeyError, AttributeError) as error:
                raise ValueError(
                    f"{path}:{number}: expected one json object with the key 'run' in each line"
                ) from error
        _read[path] = (stamp, found)
    return _read[path][1]


def write_lines(path: Path, results: Mapping[str, Result]) -> None:
    """Write results, sorted by name, one line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_text(
            "".join(
                json.dumps({"run": name, **results[name]}, sort_keys=True, default=repr) + "\n"
                for name in sorted(results)
            )
        )


def keep(path: Path, results: Iterable[tuple[Trial, Result | None]]) -> int:
    """Add finished results to a jsonl file; how many of them are new or changed."""
    known = _lines_so_far(path)
    fresh = {run_name(trial): _slim(result) for trial, result in results if result is not None}
    changed = {name for name, result in fresh.items() if known.get(name) != result}
    if changed:
        before = {name: known[name] for name in changed & set(known)}
        before = {name: old for name, old in before.items() if trained_again(old, fresh[name])}
        if before:
            replaced = replaced_file(path)
            write_lines(replaced, {**_lines_so_far(replaced), **before})
        write_lines(path, {**known, **fresh})
    return len(changed)


def replaced_file(path: Path) -> Path:
    """Where the results of a jsonl file stand that a repeated training replaced."""
    return path.parent / "replaced" / path.name


def trained_again(before: Result, after: Result) -> bool:
    """Whether a training, and nothing that it is given, was repeated and hits other images."""
    given = "inputs" in before or "inputs" in after
    return not given and before.get("images") != after.get("images")


def _lines_so_far(path: Path) -> dict[str, Result]:
    return read_lines(path) if path.is_file() else {}


def _slim(result: Result) -> Result:
    """A result with the main numbers alone of each epoch of its history."""
    if "history" not in result:
        return result
    history = {
        epoch: {name: value for name, value in numbers.items() if name in CURVES}
        for epoch, numbers in result["history"].items()
    }
    return {**result, "history": history}


def other_files(baseline: Result, result: Result) -> list[str]:
    """What two results are thought to share and do not, after a training was repeated elsewhere.

    A training that another machine repeats has the same key and other weights, so a difference to a
    row that was given the old ones is not paired. Results without hashes say nothing.

    Args:
        baseline: The row that a difference is taken to.
        result: The other row, of the same seed.

    Returns:
        Names of inputs with the same key, and ``checkpoint`` where both test one training.
    """
    found = []
    for name, theirs in baseline.get("inputs", {}).items():
        ours = result.get("inputs", {}).get(name, {})
        if ours.get("key") == theirs["key"] and _unlike(theirs, ours, "sha256"):
            found.append(name)
    alike = ("config", "options", "data", "dials", "seed", "checkpoint")
    one_training = not found and all(baseline.get(key) == result.get(key) for key in alike)
    if one_training and _unlike(baseline, result, "checkpoint_sha256"):
        found.append("checkpoint")
    return found


def _unlike(one: Result, other: Result, key: str) -> bool:
    return None not in (one.get(key), other.get(key)) and one[key] != other[key]


def orphans(path: Path, trials: Sequence[Trial]) -> list[str]:
    """Names of kept results that belong to none of these trials."""
    wanted = {run_name(trial) for trial in trials}
    return sorted(set(read_lines(path)) - wanted) if path.is_file() else []


def prune(path: Path, trials: Sequence[Trial]) -> list[str]:
    """Drop the :func:`orphans` of a file; their names."""
    dropped = orphans(path, trials)
    if dropped:
        kept = {name: result for name, result in read_lines(path).items() if name not in dropped}
        write_lines(path, kept) if kept else path.unlink()
    return dropped
