"""`tune`: trial after trial until there are enough or the time is over, then the result."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.config import Resolved, dotted
from numerai_lab.experiment import Reporter, Stopwatch
from numerai_lab.files import waiting_lock
from numerai_lab.tuning.plan import StudyPlan, plan_study
from numerai_lab.tuning.record import open_record
from numerai_lab.tuning.result import Result, check_out, write_result
from numerai_lab.tuning.storage import Storage, StudyTrial, need_optuna
from numerai_lab.tuning.trial import run_trial

DEFAULT_TRIALS = 50
ENDED = ("complete", "pruned", "failed")


@dataclass(frozen=True)
class TuneOptions:
    """Where a study goes and how far.

    Attributes
    ----------
    studies_dir : parent of all studies; a study is in the folder of its experiment's name.
    out : the tuned config.
    trials : of the study in all, those of earlier starts and of other processes among them; None:
        `DEFAULT_TRIALS`, or without end where `seconds` is given.
    seconds : no trial begins after so many; None: no limit.
    command : the command line, for the record.
    runs_dir : where the runs of members are, for a model made of some.
    """

    studies_dir: Path
    out: Path
    trials: int | None = None
    seconds: float | None = None
    command: str = ""
    runs_dir: Path = Path("runs")

    @property
    def most_trials(self) -> int | None:
        """How many trials the study has in all; None: no end."""
        return DEFAULT_TRIALS if self.trials is None and self.seconds is None else self.trials


def tune(resolved: Resolved, options: TuneOptions, reporter: Reporter) -> Result | None:
    """Search a config's spaces on its study's eras, and write what was found.

    A study that is there already, of the same config and data, goes on. Several processes may
    work on one: the last of them to end writes the result.

    Returns
    -------
    None where other processes are still at work.

    Raises
    ------
    ModelError : Optuna is not installed. RunError : a study of another config, a damaged one, or
        no trial that finished. ConfigError, DataError, SplitError, UserError : as reading.
    """
    need_optuna()
    plan = plan_study(resolved, reporter, options.runs_dir)
    folder = options.studies_dir / plan.experiment.name
    with contextlib.ExitStack() as held:
        with waiting_lock(folder / ".lock", lambda: reporter.say(f"waiting for {folder}")):
            record = open_record(folder, plan, options.command, reporter.warn)
            check_out(folder, options.out)
            storage = Storage(folder, plan.spaces, plan.experiment.seed, prune=plan.how.prune)
            held.callback(storage.close)
            default = {dotted(key): value for key, value in plan.default.items()}
            outside = [] if storage.trials() else storage.enqueue_default(default)
            if outside:
                reporter.say(_said_of_default(outside, default))
        _say_what(plan, folder, reporter)
        reporter.log_to(folder / "log.jsonl")
        held.callback(reporter.log_to, None)
        _search(plan, storage, options, reporter)
        with waiting_lock(folder / ".result.lock", lambda: None):
            trials = storage.trials()
            if any(trial.state == "running" for trial in trials):
                reporter.say(f"other processes are at work on {folder}: the last writes the result")
                return None
            return write_result(folder, plan, record, storage, trials, options.out, reporter)


def _say_what(plan: StudyPlan, folder: Path, reporter: Reporter) -> None:
    whose = f"model {plan.experiment.model.type}'s own space" if plan.own else "the config's space"
    names = ", ".join(_short(dotted(key)) for key in plan.spaces)
    judged = ", ".join(f"{fold.judged[0]}-{fold.judged[-1]}" for fold in plan.folds)
    reporter.say(f"tuning {names} ({whose}), kept in {folder}")
    reporter.say(
        f"trials see eras {plan.eras[0]}-{plan.eras[-1]} and none later; judged on {judged}, "
        f"purge {plan.folds[0].purge_eras}"
    )


def _said_of_default(outside: list[str], default: Mapping[str, Any]) -> str:
    """Say which of the config's own values keep the config itself from being tried."""
    told = [
        f"{_short(key)} is {default[key]}"
        if key in default
        else f"{_short(key)} is left to the library"
        for key in outside
    ]
    return f"the config's own values are not tried, some are not in the space: {', '.join(told)}"


def _short(name: str) -> str:
    return name.removeprefix("model.params.")


def _search(plan: StudyPlan, storage: Storage, options: TuneOptions, reporter: Reporter) -> None:
    watch, said = Stopwatch(), set[str]()

    def say_once(sentence: str) -> None:
        if sentence not in said:
            said.add(sentence)
            reporter.warn(sentence)

    while True:
        with contextlib.ExitStack() as held:
            with storage.alone():
                for number in storage.reclaim():
                    reporter.warn(f"trial {number} was not ended by its process, it is run again")
                trials = storage.trials()
                begun = sum(trial.state in (*ENDED, "running") for trial in trials)
                if options.most_trials is not None and begun >= options.most_trials:
                    return
                if options.seconds is not None and watch.seconds >= options.seconds:
                    return
                trial = storage.ask()
                held.enter_context(storage.running(trial))
            of = "" if options.most_trials is None else f"/{options.most_trials}"
            reporter.work(f"trial {trial.number} ({begun + 1}{of})", plan.study.info.unit)
            own = Stopwatch()
            outcome = run_trial(plan, trial, reporter, say_once)
            told = _standing(storage.trials(), options, watch)
            reporter.done(f"{outcome}; {told}", own.seconds)


def _standing(trials: list[StudyTrial], options: TuneOptions, watch: Stopwatch) -> str:
    """Say the best so far, and how much time is left."""
    complete = [trial for trial in trials if trial.state == "complete"]
    best = max(complete, key=lambda trial: trial.score or 0.0, default=None)
    said = (
        "nothing finished yet" if best is None else (f"best {best.score:.4f} (trial {best.number})")
    )
    left = []
    if options.most_trials is not None:
        took = [trial.seconds for trial in trials if trial.seconds is not None]
        ended = sum(trial.state in (*ENDED, "running") for trial in trials)
        left.append(max(options.most_trials - ended, 0) * float(np.mean(took)) if took else 0.0)
    if options.seconds is not None:
        left.append(max(options.seconds - watch.seconds, 0.0))
    return f"{said}, {_minutes(min(left))} left"


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
