"""Random search in an Optuna study that survives kills and is shared by processes.

The study is an SQLite file. Every trial is drawn from the seed and kept before anything runs, so
what is tried depends neither on the number of jobs nor on kills. A process that works on a trial
holds a lock on the trial's file in ``claims/``, which the system releases however the process ends.
"""

from __future__ import annotations

import fcntl
import json
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from studies.harness.run import TrialError, train_trial
from studies.harness.trial import Trial, trial_key
from studies.search.space import Parameter
from wsol_mm.io import file_lock


@dataclass(frozen=True)
class Search:
    """What is searched: the plain trial, the ranges and the metric, and where it is kept."""

    trial: Trial
    space: Sequence[Parameter]
    metric: str
    seed: int
    out: Path

    def numbers(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """The numbers of one draw by name."""
        return {n: v for parameter in self.space for n, v in parameter.numbers(drawn).items()}

    def values(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Config keys and values of one draw."""
        return {key: v for parameter in self.space for key, v in parameter.values(drawn).items()}

    def trial_of(self, drawn: Mapping[str, Any]) -> Trial:
        """The trial of one draw."""
        return replace(self.trial, options={**self.trial.options, **self.values(drawn)})

    def train(self, drawn: Mapping[str, Any], threads: int | None = None) -> dict[str, Any]:
        """Train one draw: ``value``, ``epoch``, ``val`` (all metrics of val), ``train_seconds``.

        Raises:
            TrialError: The training failed, or val has no such metric.
        """
        facts = train_trial(self.trial_of(drawn), self.out, threads=threads)
        value = facts["val"].get(self.metric.removeprefix("wsol/"))
        if value is None or math.isnan(value):
            raise TrialError(f"--metric {self.metric}: val gave {sorted(facts['val'])}")
        return {**facts, "value": value}

    def identity(self) -> dict[str, Any]:
        """What must not change while a search goes on."""
        return {
            "config": trial_key(self.trial, test=False),
            "space": [[p.name, p.groups, p.kind, p.bounds] for p in self.space],
            "metric": self.metric,
            "seed": self.seed,
        }


def distributions(space: Sequence[Parameter]) -> dict[str, Any]:
    """Optuna's distributions of the numbers to draw."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found: dict[str, Any] = {}
    for parameter in space:
        for name in parameter.draws:
            if parameter.kind == "choice":
                found[name] = CategoricalDistribution(parameter.bounds)
            elif parameter.kind == "int":
                found[name] = IntDistribution(*parameter.bounds)
            else:
                log = parameter.kind == "log_uniform"
                found[name] = FloatDistribution(*parameter.bounds, log=log)
    return found


def draw(space: Sequence[Parameter], seed: int, count: int) -> list[dict[str, Any]]:
    """The first trials that a seed stands for, by Optuna's random sampler."""
    import optuna

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [study.ask(distributions(space)).params for _ in range(count)]


def open_study(search: Search, count: int) -> Any:
    """The search's study, with at least ``count`` trials; all that is drawn is kept there.

    Raises:
        ValueError: The folder holds another search.
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    search.out.mkdir(parents=True, exist_ok=True)
    with file_lock(search.out / ".lock"):
        study = optuna.create_study(
            study_name="search",
            storage=optuna.storages.RDBStorage(
                f"sqlite:///{search.out / 'study.db'}",
                engine_kwargs={"connect_args": {"timeout": 60}},
            ),
            direction="maximize",
            load_if_exists=True,
        )
        mine = json.loads(json.dumps(search.identity()))
        theirs = study.user_attrs.get("identity", mine)
        if theirs != mine:
            changed = ", ".join(key for key in mine if theirs[key] != mine[key])
            raise ValueError(
                f"--out {search.out} holds a search with another {changed}: choose another folder"
            )
        study.set_user_attr("identity", mine)
        kept = len(study.get_trials(deepcopy=False))
        for params in draw(search.space, search.seed, count)[kept:]:
            study.add_trial(
                create_trial(
                    state=TrialState.RUNNING,
                    params=params,
                    distributions=distributions(search.space),
                )
            )
    return study


def _claim(search: Search, number: int) -> IO[str] | None:
    """Take a trial for this process, or None where another one is at it."""
    path = search.out / "claims" / f"{number:04d}"
    path.parent.mkdir(exist_ok=True)
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def run_search(search: Search, study: Any, jobs: int) -> dict[int, str]:
    """Run every trial that is not finished, ``jobs`` at once; return the errors by trial.

    A trial that failed stays unfinished, so that the next start tries it again.
    """
    failed: dict[int, str] = {}
    running: dict[Future[dict[str, Any]], tuple[Any, IO[str]]] = {}

    def unfinished() -> list[Any]:
        trials = study.get_trials(deepcopy=False)
        return [t for t in trials if not t.state.is_finished() and t.number not in failed]

    with ThreadPoolExecutor(jobs) as pool:
        try:
            while left := unfinished():
                taken = {trial.number for trial, _ in running.values()}
                for trial in left:
                    if len(running) == jobs:
                        break
                    if trial.number in taken or (file := _claim(search, trial.number)) is None:
                        continue
                    if study.get_trials(deepcopy=False)[trial.number].state.is_finished():
                        file.close()  # by another process, in between
                        continue
                    threads = 1 if jobs > 1 else None
                    running[pool.submit(search.train, trial.params, threads)] = trial, file
                if not running:
                    time.sleep(1)  # other processes are at the rest
                for future in wait(running, 2, FIRST_COMPLETED).done if running else ():
                    trial, file = running.pop(future)
                    _report(study, trial, future, failed)
                    file.close()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return failed


def finished_trials(study: Any) -> list[tuple[Any, dict[str, Any]]]:
    """Optuna's finished trials in order, each with what its training gave."""
    attributes = study.user_attrs
    trials = study.get_trials(deepcopy=False)
    return [(t, attributes[_facts(t)]) for t in trials if t.state.is_finished()]


def _facts(trial: Any) -> str:
    return f"trial {trial.number}"


def _report(study: Any, trial: Any, future: Future[dict[str, Any]], failed: dict[int, str]) -> None:
    """Note and print how a trial ended."""
    drawn = ", ".join(f"{name} {_short(value)}" for name, value in trial.params.items())
    try:
        facts = future.result()
        study.set_user_attr(_facts(trial), facts)  # then the runs' folders may be deleted
        study.tell(trial.number, facts["value"])
        end = f"{facts['value']:.2f} at epoch {facts['epoch']}"
    except TrialError as error:
        failed[trial.number] = str(error)
        end = "failed"
    trials = study.get_trials(deepcopy=False)
    done = sum(t.state.is_finished() for t in trials)
    print(f"[{done}/{len(trials)}] trial {trial.number} ({drawn}): {end}", flush=True)


def _short(value: Any) -> str:
    """A value for people."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
