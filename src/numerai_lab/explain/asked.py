"""What a person asked for, checked before gigabytes are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from numerai_lab.errors import RunError, UserError, did_you_mean
from numerai_lab.experiment import RunDir, read_predictions


@dataclass(frozen=True)
class ExplainOptions:
    """What to explain, and how closely.

    Attributes
    ----------
    fold : whose model; None: of the fold that judges what is asked for, else of the last one.
    rows : how many judged rows are explained. permute : how many features are shuffled.
    ids : single rows. eras : single eras.
    final : the final model, on live rows, instead of a fold's. features : a table of such rows
        instead of the live file beside the run's data.
    interactions : whether pairs of features are looked at, too, which takes long.
    expect : feature -> 1 or -1, the direction in which it should move predictions, beside what the
        run's config expects.
    """

    runs_dir: Path
    fold: int | None = None
    rows: int = 3000
    permute: int = 20
    ids: tuple[str, ...] = ()
    eras: tuple[int, ...] = ()
    interactions: bool = False
    expect: Mapping[str, int] = field(default_factory=dict)
    final: bool = False
    features: Path | None = None

    def __post_init__(self) -> None:
        """Raise UserError where two things that are asked for do not go together."""
        asked = {"--fold": self.fold is not None, "--era": bool(self.eras)}
        unfit = [name for name, given in asked.items() if given]
        if self.final and unfit:
            raise UserError(
                "the final model is explained on live rows, which no fold judges and whose scores "
                "are not known",
                where=unfit[0],
                fix="leave it out, or leave --final out",
            )
        if self.features is not None and not self.final:
            raise UserError(
                "a fold's model is explained on rows that it judged",
                where="--features",
                fix="write --final, too",
            )


def expectations(written: Sequence[str]) -> dict[str, int]:
    """Read `feature=+1` and `feature=-1`. Raises UserError."""
    found = {}
    for text in written:
        name, equals, sign = text.rpartition("=")
        if not equals or not name or sign not in ("1", "+1", "-1"):
            raise UserError(
                f"'{text}' is not FEATURE=+1 or FEATURE=-1",
                where="--expect",
                fix="write the direction in which the feature should move predictions",
            )
        found[name] = int(sign)
    return found


def check_expected(expect: Mapping[str, int], features: Sequence[str]) -> None:
    """Raise UserError where an expectation is of no feature of the run."""
    for name in expect:
        if name not in features:
            raise UserError(
                f"'{name}' is not a feature of the run" + did_you_mean(name, features),
                where="--expect",
            )


def fold_asked(run: RunDir, options: ExplainOptions) -> int:
    """Return the number of the fold whose model is to be explained.

    Raises
    ------
    RunError : there is no such fold, no fold judges what is asked for, or two folds do.
    """
    folds: list[dict[str, Any]] = run.manifest()["folds"]
    numbers = [int(fold["fold"]) for fold in folds]
    if options.fold is not None:
        if options.fold not in numbers:
            there = f"folds 1-{len(numbers)}" if len(numbers) > 1 else "fold 1 alone"
            raise RunError(f"has {there}, and no fold {options.fold}", where=str(run.path))
        return options.fold
    wanted = {_fold_of_era(era, folds) for era in options.eras} | _folds_of_ids(run, options.ids)
    if len(wanted) > 1:
        raise RunError(
            f"what is asked for is judged by folds {', '.join(map(str, sorted(wanted)))}, which "
            "have a model each",
            where=str(run.path),
            fix="ask for one fold's rows and eras at a time",
        )
    return wanted.pop() if wanted else numbers[-1]


def _fold_of_era(era: int, folds: Sequence[Mapping[str, Any]]) -> int:
    for fold in folds:
        if any(first <= era <= last for first, last in fold["judged_eras"]):
            return int(fold["fold"])
    first, last = folds[0]["judged"]["first"], folds[-1]["judged"]["last"]
    raise RunError(
        f"no fold judges era {era}, they judge eras {first}-{last}",
        where="--era",
        fix="name one of these",
    )


def _folds_of_ids(run: RunDir, ids: Sequence[str]) -> set[int]:
    if not ids:
        return set()
    predictions = read_predictions(run.checked(run.predictions_path))
    found = set()
    for id_ in ids:
        place = pc.index(predictions.ids, id_).as_py()
        if place < 0:
            raise RunError(
                f"no judged row has the id '{id_}'",
                where="--id",
                fix=f"take one of {run.predictions_path}",
            )
        found.add(int(predictions.folds[place]))
    return found
