"""The trials of a study on disk, in Optuna's sqlite file: all that talks to Optuna.

A trial is begun under the folder's lock, and its process holds a lock of the trial's own until it
is judged. The system releases that lock however the process ends, so that a trial which is marked
as running and whose lock is free was stopped or killed: it is run again, with the same values, by
whoever begins the next one. No clock decides it, as with Optuna's own heartbeat.

The sampler of each trial has a seed of its own, from the study's seed and the trial's place among
those that were drawn. So a study that was killed and goes on finds what it would have found.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numerai_lab.config import ChoiceSpace, FloatSpace, IntSpace, Key, Space, dotted
from numerai_lab.errors import MachineError, ModelError, RunError
from numerai_lab.files import exclusive_lock, waiting_lock
from numerai_lab.seeds import child_seed

DATABASE = "study.sqlite"
MOST_ATTEMPTS = 3
"""Of a trial that ends its process each time: memory that is not there, most often."""
BUSY_SECONDS = 120
"""How long to wait for another process that writes to the database."""
SAMPLER = {"name": "TPESampler", "n_startup_trials": 10}
PRUNER = {"name": "WilcoxonPruner", "p_threshold": 0.1}

_DEFAULT, _REASON, _CORR, _SECONDS = "default", "reason", "corr", "seconds"
_UNSCORED, _RERUN_OF, _ATTEMPT = "n_unscored", "rerun_of", "attempt"


@dataclass(frozen=True)
class StudyTrial:
    """A trial as it is kept.

    Attributes
    ----------
    number : from 0, in the order of their beginning.
    state : `complete`, `pruned`, `failed`, `crashed` (its process ended), `running`, `waiting`.
    values : by the dotted key of each space.
    score : what the study looks for the highest of; None unless complete.
    corr : of each judged era, null where it has none; of a pruned trial those of its first folds.
    seconds : wall time that its folds took.
    reason : why it failed.
    is_default : whether its values are those of the config that is not tuned.
    """

    number: int
    state: str
    values: dict[str, Any]
    score: float | None
    corr: tuple[float | None, ...]
    n_unscored: int
    seconds: float | None
    reason: str
    is_default: bool


def need_optuna() -> Any:
    """Return the module. Raises ModelError with what to type where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise ModelError(
            "tuning needs Optuna, which is not installed", fix="pip install numerai_lab[tune]"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def value_of(space: Space, raw: Any) -> Any:
    """Turn what Optuna drew into a value of the config: numbers to four digits, as one writes."""
    if isinstance(space, ChoiceSpace):
        return json.loads(raw)
    if isinstance(space, IntSpace):
        return int(raw)
    digits = 4 if space.step is None else 12
    return min(max(float(f"{raw:.{digits}g}"), space.low), space.high)


def _distribution(space: Space) -> Any:
    kinds = need_optuna().distributions
    if isinstance(space, IntSpace):
        return kinds.IntDistribution(space.low, space.high, log=space.log, step=space.step)
    if isinstance(space, FloatSpace):
        return kinds.FloatDistribution(space.low, space.high, log=space.log, step=space.step)
    return kinds.CategoricalDistribution([_as_text(value) for value in space.choice])


def _as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


class _Connection(sqlite3.Connection):
    """Waits for no disk at each of the many small writes of a trial.

    With a write-ahead log a loss of power costs the last trials, and never the file.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = NORMAL")


class Storage:
    """The trials of one study; `close` it.

    Raises RunError where its file is damaged, or cannot be read or written.
    """

    def __init__(
        self, folder: Path, spaces: Mapping[Key, Space], seed: int, *, prune: bool
    ) -> None:
        self.folder, self.seed = folder, seed
        self._spaces = {dotted(key): space for key, space in spaces.items()}
        self._optuna = optuna = need_optuna()
        path = folder / DATABASE
        # braces are Optuna's own template, ? begins an option in the address of a database
        name = str(path).replace("%", "%25").replace("?", "%3F")
        url = f"sqlite:///{name}".replace("{", "{{").replace("}", "}}")
        with _told(path), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._storage = optuna.storages.RDBStorage(
                url,
                engine_kwargs={"connect_args": {"timeout": BUSY_SECONDS, "factory": _Connection}},
            )
            self._check_whole()
            pruner = optuna.pruners.WilcoxonPruner(p_threshold=PRUNER["p_threshold"])
            self._study = optuna.create_study(
                storage=self._storage,
                study_name="study",
                direction="maximize",
                pruner=pruner if prune else optuna.pruners.NopPruner(),
                load_if_exists=True,
            )
        self._distributions = {n: _distribution(space) for n, space in self._spaces.items()}

    def close(self) -> None:
        """Let go of the file."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def _check_whole(self) -> None:
        with self._storage.engine.connect() as connection:
            said = connection.exec_driver_sql("PRAGMA quick_check").scalar()
        if said != "ok":
            raise RunError(
                f"is damaged ({said})",
                where=str(self.folder / DATABASE),
                fix="remove the study's folder to begin anew",
            )

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock under which trials begin, waiting for other processes of this study."""
        with waiting_lock(self.folder / ".lock", lambda: None), _told(self.folder / DATABASE):
            yield

    def enqueue_default(self, values: Mapping[str, Any]) -> list[str]:
        """Have the config's own values tried first, if all lie in the space. Call it `alone`.

        Parameters
        ----------
        values : by dotted key.

        Returns
        -------
        The keys of those that are not known or lie outside: then none is tried.
        """
        outside = [
            name
            for name, space in self._spaces.items()
            if name not in values or not space.holds(values[name])
        ]
        if not outside:
            raw = {
                name: _as_text(values[name]) if isinstance(space, ChoiceSpace) else values[name]
                for name, space in self._spaces.items()
            }
            self._study.enqueue_trial(raw, user_attrs={_DEFAULT: True})
        return outside

    def _lock_of(self, number: int) -> Path:
        return self.folder / "running" / f"{number:05d}.lock"

    def _is_alive(self, number: int) -> bool:
        try:
            with exclusive_lock(self._lock_of(number), "is running"):
                return False
        except RunError:
            return True

    def reclaim(self) -> list[int]:
        """Have trials run again whose process has ended; return their numbers. Call it `alone`."""
        frozen = self._study.get_trials(deepcopy=False)
        rerun = {trial.user_attrs.get(_RERUN_OF) for trial in frozen}
        found = []
        for trial in frozen:
            if trial.state.name != "RUNNING" or self._is_alive(trial.number):
                continue
            attempt = trial.user_attrs.get(_ATTEMPT, 1)
            if attempt < MOST_ATTEMPTS and trial.number not in rerun:
                attrs = {_RERUN_OF: trial.number, _ATTEMPT: attempt + 1}
                if trial.user_attrs.get(_DEFAULT):
                    attrs[_DEFAULT] = True
                self._study.enqueue_trial(trial.params, user_attrs=attrs)
            self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)
            found.append(trial.number)
        return found

    @contextlib.contextmanager
    def running(self, trial: Running) -> Iterator[None]:
        """Hold a trial's own lock."""
        with exclusive_lock(self._lock_of(trial.number), "this trial is running"):
            yield

    def ask(self) -> Running:
        """Begin the next trial. Call it `alone`, and hold its lock before the other is let go."""
        frozen = self._study.get_trials(deepcopy=False)
        drawn = [trial for trial in frozen if _RERUN_OF not in trial.user_attrs]
        waiting = next((trial for trial in frozen if trial.state.name == "WAITING"), None)
        place = len(drawn)
        if waiting is not None:
            first = waiting.user_attrs.get(_RERUN_OF, waiting.number)
            place = sum(trial.number < first for trial in drawn)
        self._study.sampler = self._optuna.samplers.TPESampler(
            n_startup_trials=SAMPLER["n_startup_trials"], seed=child_seed(self.seed, "tune", place)
        )
        return Running(self, self._study.ask(self._distributions))

    def values_of(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Turn what Optuna drew into values, by dotted key."""
        return {name: value_of(self._spaces[name], raw[name]) for name in raw}

    def trials(self) -> list[StudyTrial]:
        """Read all trials, in the order of their beginning."""
        with _told(self.folder / DATABASE):
            frozen = self._study.get_trials(deepcopy=False)
        rerun = {trial.user_attrs.get(_RERUN_OF) for trial in frozen}
        return [self._trial(trial, rerun) for trial in frozen]

    def _trial(self, frozen: Any, rerun: set[int | None]) -> StudyTrial:
        attrs, state = frozen.user_attrs, frozen.state.name
        names = {"COMPLETE": "complete", "PRUNED": "pruned", "RUNNING": "running"}
        name = names.get(state, "waiting" if state == "WAITING" else "failed")
        reason = attrs.get(_REASON, "")
        if name == "failed" and not reason:
            name = "crashed" if frozen.number in rerun else "failed"
            reason = f"its process ended {attrs.get(_ATTEMPT, 1)} times before it was judged"
        raw = frozen.params or frozen.system_attrs.get("fixed_params", {})
        return StudyTrial(
            number=frozen.number,
            state=name,
            values=self.values_of(raw),
            score=frozen.value if name == "complete" else None,
            corr=tuple(attrs.get(_CORR, ())),
            n_unscored=attrs.get(_UNSCORED, 0),
            seconds=attrs.get(_SECONDS),
            reason=reason if name in ("failed", "crashed") else "",
            is_default=bool(attrs.get(_DEFAULT)),
        )

    def importances(self) -> dict[str, float]:
        """Return how much of the difference between good trials and others each parameter makes.

        Returns
        -------
        By dotted key, largest first, with a sum of 1 unless all are 0.

        Source: Watanabe, Bansal and Hutter (2023), PED-ANOVA, as Optuna computes it.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self._optuna.importance.get_param_importances(self._study)
        return {name: float(value) for name, value in found.items()}


class Running:
    """A trial that this process runs."""

    def __init__(self, storage: Storage, trial: Any) -> None:
        self._storage, self._trial = storage, trial
        self.number: int = trial.number
        self.values: dict[str, Any] = storage.values_of(trial.params)

    def surely_worse(self, values: Sequence[tuple[int, float]]) -> bool:
        """Report what a fold says of some eras; tell whether the best trial is surely better."""
        with _told(self._storage.folder / DATABASE), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for era, value in values:
                self._trial.report(value, era)
            return bool(self._trial.should_prune())

    def finish(
        self,
        score: float | None,
        corr: Sequence[float | None],
        n_unscored: int,
        seconds: float,
    ) -> None:
        """Keep its result; without a score it was pruned."""
        self._keep({_CORR: list(corr), _UNSCORED: n_unscored, _SECONDS: seconds})
        states = self._storage._optuna.trial.TrialState
        state = states.PRUNED if score is None else states.COMPLETE
        self._tell(score, state)

    def fail(self, reason: str, seconds: float) -> None:
        """Keep why it has no result."""
        self._keep({_REASON: reason, _SECONDS: seconds})
        self._tell(None, self._storage._optuna.trial.TrialState.FAIL)

    def _keep(self, facts: Mapping[str, Any]) -> None:
        with _told(self._storage.folder / DATABASE):
            for name, value in facts.items():
                self._trial.set_user_attr(name, value)

    def _tell(self, score: float | None, state: Any) -> None:
        with _told(self._storage.folder / DATABASE):
            self._storage._study.tell(self._trial, score, state=state)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the database may raise into one sentence."""
    from sqlalchemy.exc import SQLAlchemyError

    optuna = need_optuna()
    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        said = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        if "disk" in said and "full" in said:
            raise MachineError(
                "the disk is full", where=str(path), fix="free some space and run again"
            ) from error
        raise RunError(
            f"cannot be read or written ({said})",
            where=str(path),
            fix="remove the study's folder to begin anew, if it is damaged",
        ) from error
