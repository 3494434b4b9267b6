"""What a study found: result.json, the tuned config, and all that tune.html shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from numerai_lab.checksums import NotAsWritten, read_sealed, write_sealed
from numerai_lab.config import Tuned, config_hash, dotted
from numerai_lab.disclosure import for_others
from numerai_lab.errors import RunError
from numerai_lab.experiment import Reporter
from numerai_lab.tuning.after import compare_after
from numerai_lab.tuning.luck import luck_of
from numerai_lab.tuning.plan import StudyPlan
from numerai_lab.tuning.storage import DATABASE, Storage, StudyTrial
from numerai_lab.tuning.trial import score_of
from numerai_lab.tuning.tuned_config import check_may_write, tuned_experiment, write_tuned

LEAST_FOR_IMPORTANCE = 10
"""Trials; of fewer the shares tell little more than the order in which they were drawn."""
ROUNDING = 1e-9
"""Scores that differ by less are the same."""


@dataclass(frozen=True)
class Result:
    """A study's result.

    Attributes
    ----------
    folder : of the study. config : the tuned config that was written.
    facts : what result.json holds, ready for `report` and --json.
    """

    folder: Path
    config: Path
    facts: Mapping[str, Any]


def check_out(folder: Path, out: Path) -> None:
    """Refuse, before the first trial, to write over a config that is not this study's."""
    check_may_write(out, (_before(folder) or {}).get("written"))


def write_result(
    folder: Path,
    plan: StudyPlan,
    record: Mapping[str, Any],
    storage: Storage,
    trials: Sequence[StudyTrial],
    out: Path,
    reporter: Reporter,
) -> Result:
    """Choose the best trial, compare it with the default on later eras, and write all of it.

    Raises
    ------
    RunError : no trial finished, or `out` is not this study's to write.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        raise _nothing(folder, trials)
    _check_scores(folder, plan, complete)
    best = max(complete, key=_score)
    values = {key: best.values[dotted(key)] for key in plan.spaces}
    states = Counter(trial.state for trial in trials)
    n_judged = states["complete"] + states["pruned"]
    before = _before(folder) or {}
    if before.get("best", {}).get("values") == best.values and "after" in before:
        after = before["after"]  # same config, data and versions of both models: the same again
    else:
        after = compare_after(plan, values, reporter)
    first, last = int(plan.eras[0]), int(plan.eras[-1])
    tuned = Tuned(first_era=first, last_era=last, trials=n_judged, study=folder.as_posix())
    experiment = tuned_experiment(plan.experiment, values, tuned)
    check_may_write(out, before.get("written"))
    differ = _score(best) - min(map(_score, complete)) > ROUNDING
    enough = len(complete) >= LEAST_FOR_IMPORTANCE and differ
    importance = storage.importances() if enough else {}
    facts: dict[str, Any] = {
        "experiment": plan.experiment.name,
        "question": plan.experiment.question,
        "config_hash": config_hash(plan.experiment),
        "command": record["command"],
        "created_utc": record["created_utc"],
        "written_utc": datetime.now(UTC).isoformat(timespec="microseconds"),
        "source": plan.study.dataset.source,
        "notice": plan.study.dataset.notice,
        "model": plan.experiment.model.type,
        "own_space": plan.own,
        "aim": plan.how.aim,
        "score": plan.how.score,
        "target": plan.study.target,
        "horizon_days": plan.horizon_days,
        "seed": plan.experiment.seed,
        "sampler": record["sampler"],
        "pruner": record["pruner"],
        "eras": {"first": first, "last": last, "n": len(plan.eras)},
        "folds": [
            {
                "train": [int(fold.train[0]), int(fold.train[-1])],
                "judged": [int(fold.judged[0]), int(fold.judged[-1])],
                "n_judged": len(fold.judged),
                "purge_eras": fold.purge_eras,
            }
            for fold in plan.folds
        ],
        "n_trials": {name: states[name] for name in ("complete", "pruned", "failed", "crashed")},
        "seconds": sum(trial.seconds or 0.0 for trial in trials),
        "best": _brief(best),
        "default": _brief(next((t for t in complete if t.is_default), None)),
        "parameters": [
            {
                "name": dotted(key),
                "space": space.model_dump(mode="json", exclude_unset=True),
                "default": plan.default.get(key),
                "best": values[key],
                "importance": importance.get(dotted(key)),
            }
            for key, space in plan.spaces.items()
        ],
        "trials": [_brief(trial) for trial in trials],
        "luck": luck_of(plan, complete, best, n_judged),
        "after": after,
        "tuned_config": str(out),
    }
    facts["written"] = write_tuned(out, experiment, _header(facts))
    facts = for_others(facts)
    write_sealed(folder / "result.json", facts)
    return Result(folder, out, facts)


def _check_scores(folder: Path, plan: StudyPlan, complete: Sequence[StudyTrial]) -> None:
    """Compute every score again from the corr by era that is kept beside it."""
    for trial in complete:
        corr = np.array([np.nan if one is None else one for one in trial.corr], dtype=float)
        if len(corr) != len(plan.judged) or abs(score_of(plan, corr) - _score(trial)) > ROUNDING:
            raise RunError(
                f"trial {trial.number} is damaged: its score is not that of its eras",
                where=str(folder / DATABASE),
                fix="remove the study's folder to begin anew",
            )


def _score(trial: StudyTrial) -> float:
    return float("-inf") if trial.score is None else trial.score


def _brief(trial: StudyTrial | None) -> dict[str, Any] | None:
    """Return a trial without its scores by era."""
    if trial is None:
        return None
    return {name: value for name, value in asdict(trial).items() if name != "corr"}


def _header(facts: Mapping[str, Any]) -> list[str]:
    eras, n = facts["eras"], facts["n_trials"]
    lines = [
        f"Tuned by `numerai-lab tune`: the best of {n['complete'] + n['pruned']} trials "
        f"({n['pruned']} of them pruned) on eras",
        f"{eras['first']}-{eras['last']} of target {facts['target']}: "
        f"{facts['score']} {facts['best']['score']:.5f} of {facts['aim']} on inner folds.",
        "Scores on these eras are no test of it; later eras were never seen.",
    ]
    if facts["source"] == "synthetic":
        lines.append("SYNTHETIC DATA: these values say nothing about Numerai.")
    return lines


def _nothing(folder: Path, trials: Sequence[StudyTrial]) -> RunError:
    reasons = Counter(trial.reason for trial in trials if trial.state == "failed")
    why = f": {reasons.most_common(1)[0][0]}" if reasons else ""
    failed = sum(reasons.values())
    what = f"{failed} failed{why}" if failed else "none began before the time was over"
    return RunError(
        f"no trial finished ({what})",
        where=str(folder),
        fix="give more --trials or --time, or another space",
    )


def _before(folder: Path) -> dict[str, Any] | None:
    """Return the result that is there; None where there is none, or it is damaged."""
    try:
        found: dict[str, Any] = read_sealed(folder / "result.json")
    except (FileNotFoundError, NotAsWritten):
        return None
    return found
