"""`explain RUN`: from a model and the rows it judged, or is for, to what is kept and shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from numerai_lab.errors import RunError
from numerai_lab.experiment import (
    OpenedModel,
    Reporter,
    RunDir,
    Stopwatch,
    find_run,
    locked,
    open_final,
    open_fold,
    say_if_unverifiable,
    write_explanation,
)
from numerai_lab.explain.asked import ExplainOptions, check_expected, fold_asked
from numerai_lab.explain.attribution import (
    Attribute,
    MemberSizes,
    gap_sentence,
    in_pieces,
    total_of,
)
from numerai_lab.explain.dependence import Dependence, column_values
from numerai_lab.explain.groups import groups_of
from numerai_lab.explain.over_eras import Intervals, OverEras
from numerai_lab.explain.pairs import MOST_ROWS, interaction_facts
from numerai_lab.explain.pairs import TOP as PAIRED
from numerai_lab.explain.permutation import permutation
from numerai_lab.explain.sample import EraRows, Sample, draw
from numerai_lab.explain.single import era_facts, row_facts
from numerai_lab.explain.table import ContributionTable
from numerai_lab.explain.ways import SAMPLING, way_of
from numerai_lab.models import InteractingModel
from numerai_lab.seeds import child_seed

TOP = 20
"""Features whose dependence and eras are shown."""
SAMPLED_ROWS = 200
"""Rows that are explained by sampling at most: each takes thousands of predictions."""
BLEND = (
    "the prediction is a blend of ranks, which is no sum: contributions are those of the members' "
    "outputs, each in the standard deviation of its era, by weight"
)


NO_LABELS = (
    "the rows have no labels: what features add is told, and neither what they earned nor what "
    "shuffling them costs"
)
NO_LIME = "rows have no LIME: their prediction is a rank, or depends on other rows in other ways"


@dataclass(frozen=True)
class Explained:
    """What was found, as JSON values, and where it is kept."""

    run: RunDir
    facts: Mapping[str, Any]
    table: Path
    path: Path


def explain(spec: str | None, options: ExplainOptions, reporter: Reporter) -> Explained:
    """Explain a fold's model on rows that it judged, or the final one on live rows, and keep it.

    Parameters
    ----------
    spec : a run directory, or an experiment's name for its last run; None for the last of all.

    Raises
    ------
    RunError : not a finished run with a model of that fold, files that are damaged, data that have
        changed, or rows and eras that it does not judge.
    UserError : an expectation of what is no feature.
    """
    run = find_run(spec, options.runs_dir)
    if not run.finished:
        raise RunError(
            "is not finished", where=str(run.path), fix=f"finish it with `{run.completing()}`"
        )
    say_if_unverifiable(run, reporter.warn)
    fold = None if options.final else fold_asked(run, options)
    with locked(run):
        if fold is None:
            opened = open_final(run, options.features, reporter.say)
        else:
            opened = open_fold(run, fold, reporter)
        check_expected(options.expect, opened.rows.feature_names)
        facts, table = _explained(opened, options, reporter)
        for note in facts["notes"]:
            reporter.say(note)
        path = write_explanation(run, opened.fold, facts, table.write)
    return Explained(run, facts, path, run.explanation_path(opened.fold))


def _explained(
    opened: OpenedModel, options: ExplainOptions, reporter: Reporter
) -> tuple[dict[str, Any], ContributionTable]:
    experiment, rows = opened.experiment, opened.rows
    expect = {**experiment.expect, **options.expect}
    seed, target, bootstrap = experiment.seed, opened.target, experiment.scoring.bootstrap
    own_seed = child_seed(seed, "explain")
    intervals = Intervals(opened.horizon_days, bootstrap, own_seed)
    way = way_of(opened, own_seed)
    most = min(options.rows, SAMPLED_ROWS) if way.kind == SAMPLING else options.rows
    sample = draw(rows, most, seed)
    gains = _gain_shares(opened)
    table = ContributionTable(rows.feature_names)
    facts: dict[str, Any] = {
        "experiment": experiment.name,
        "model": experiment.model.type,
        "fold": opened.fold,
        "how": way.kind,
        "target": target,
        "source": opened.source,
        "seed": seed,
        "judged": {"first": int(rows.eras[0]), "last": int(rows.eras[-1]), "n_eras": rows.n_eras},
        "features_in_all": rows.n_features,
        "notes": list(way.notes),
        "features": [],
        "gains": gains,
    }
    if not opened.labelled:
        facts["notes"].append(NO_LABELS)
    order = [rows.feature_names.index(name) for name in _by_importance(opened, gains)]
    if way.attribute is not None:
        eras = _over_eras(opened, way.attribute, sample, facts, table, reporter)
        facts |= eras.facts(intervals) | {"expected": eras.expected(expect)}
        order = eras.order.tolist()
        top = [column for column in order[:TOP] if eras.adds(column)]
        facts["dependence"] = _dependence(eras, top, rows.feature_names, intervals)
        facts["by_era"] = {
            "eras": eras.eras.tolist(),
            "earned": {rows.feature_names[c]: eras.by_era(c) for c in top},
        }
        alone = way.row_by_row
        facts["rows"] = [
            row_facts(opened, way.attribute, id_, own_seed, row_by_row=alone) for id_ in options.ids
        ]
        if options.ids and not alone:
            facts["notes"].append(NO_LIME)
        if options.interactions:
            facts["interactions"] = _interactions(opened, eras.order[:PAIRED], facts, reporter)
        facts["single_eras"] = [
            era_facts(opened, way.attribute, era, options.rows, seed) for era in options.eras
        ]
    elif options.ids or options.eras or options.expect:
        raise RunError(way.notes[-1], where="--id, --era, --expect", fix="leave them out")
    elif expect:
        facts["notes"].append("what the config expects of features cannot be said without these")
    shuffled = order[: options.permute] if opened.labelled else []
    facts["permutation"] = _permuted(opened, shuffled, intervals, reporter)
    return facts, table


def _over_eras(
    opened: OpenedModel,
    attribute: Attribute,
    sample: Sample,
    facts: dict[str, Any],
    table: ContributionTable,
    reporter: Reporter,
) -> KeptEras:
    """Explain the drawn rows era by era; tells in `facts` what was explained."""
    rows, watch, largest = opened.rows, Stopwatch(), 0.0
    groups = groups_of(rows.feature_names, opened.feature_sets)
    eras, sizes = KeptEras(rows.feature_names, groups), MemberSizes()
    reporter.work(f"contributions, {opened.name}", unit="rows")
    done = 0

    def told(n_rows: int) -> None:
        reporter.progress(done + n_rows, sample.n_rows)

    for frame, drawn in sample.each():
        members = in_pieces(attribute, frame.without_targets(), drawn, told)
        done += len(drawn)
        own = EraRows.of(frame, drawn, opened.target)
        largest = max(largest, *(member.gap() for member in members))
        eras.keep(own, total_of(members))
        table.add(own, members)
        sizes.add(members)
    reporter.done(f"{sample.n_rows:,} rows of {len(sample.eras)} eras", watch.seconds)
    facts["explained"] = {"rows": sample.n_rows, "of": rows.n_rows, "eras": len(sample.eras)}
    facts["members"] = sizes.facts(rows.feature_names)
    facts["largest_gap"] = largest
    facts["notes"].append(gap_sentence(largest))
    if len(members) > 1:
        facts["notes"].append(BLEND)
    return eras


class KeptEras(OverEras):
    """Eras that also keep features and contributions of each row, for bins."""

    def __init__(self, names: Any, groups: Any) -> None:
        super().__init__(names, groups)
        self._rows: list[tuple[Any, Any]] = []

    def keep(self, rows: EraRows, total: Any) -> None:
        """Add an era."""
        self.add(rows.era, rows.features, rows.target, total)
        self._rows.append((rows.features, total.values.astype(np.float32)))

    def dependence(self, column: int) -> Dependence:
        """Return contributions of a feature by its value."""
        x = [column_values(features, column) for features, _ in self._rows]
        return Dependence(self.eras, x, [values[:, column] for _, values in self._rows])


def _dependence(
    eras: KeptEras, columns: list[int], names: tuple[str, ...], intervals: Intervals
) -> list[dict[str, Any]]:
    return [
        {"feature": names[column], "bins": eras.dependence(column).facts(intervals)}
        for column in columns
    ]


def _interactions(
    opened: OpenedModel,
    columns: npt.NDArray[np.int64],
    facts: dict[str, Any],
    reporter: Reporter,
) -> dict[str, Any] | None:
    """Return the interactions among these features; None, and a note, where there are none."""
    if not isinstance(opened.model, InteractingModel):
        facts["notes"].append("the model cannot tell interactions of features")
        return None
    watch = Stopwatch()
    sample = draw(opened.rows, MOST_ROWS, opened.experiment.seed)
    reporter.work(f"interactions, {opened.name}", unit="rows")
    found = interaction_facts(opened.model, sample, columns, reporter.progress)
    reporter.done(f"pairs of {len(columns)} features in {sample.n_rows:,} rows", watch.seconds)
    return found


def _permuted(
    opened: OpenedModel, columns: list[int], intervals: Intervals, reporter: Reporter
) -> dict[str, Any]:
    if not columns:
        return {"eras": 0, "features": []}
    watch = Stopwatch()
    reporter.work(f"shuffling {len(columns)} features, {opened.name}", unit="eras")
    found = permutation(
        opened.predict,
        opened.rows,
        opened.target,
        columns,
        intervals,
        opened.experiment.seed,
        reporter.progress,
    )
    reporter.done(f"{len(columns)} features in {found['eras']} eras", watch.seconds)
    return found


def _gain_shares(opened: OpenedModel) -> dict[str, float]:
    """Return each feature's share of the importance that the fit reported, the largest first."""
    gains = {name: value for name, value in opened.facts["importance"].items() if value}
    total = sum(gains.values())
    shares = {name: value / total for name, value in gains.items()} if total > 0 else {}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _by_importance(opened: OpenedModel, gains: Mapping[str, float]) -> list[str]:
    rest = [name for name in opened.rows.feature_names if name not in gains]
    return [*gains, *rest]
