"""Members of a model made of several: their weights by fold, own scores, how alike they are."""

from __future__ import annotations

import numpy as np

from numerai_lab.report.figures import ABSENT, number, percent
from numerai_lab.report.markup import Html, breakable, h, table
from numerai_lab.report.record import Record
from numerai_lab.report.run_shapes import Fit, Member
from numerai_lab.report.score_shapes import MODEL

_ON_JUDGED = {
    "corr": "corr",
    "mmc": "mmc",
    "bmc": "bmc",
    "meta_model_corr": "correlation with the meta model",
    "benchmark_corr": "with the benchmark",
}


def members_section(record: Record) -> Html:
    """Build the section; nothing for a model that tells of no members."""
    fits = {fold: fit for fold, fit in sorted(record.fits.items()) if fit.details.members}
    names = list(dict.fromkeys(m.member for fit in fits.values() for m in fit.details.members))
    if len(names) < 2:
        return Html("")
    latest = list(fits.values())[-1]
    return h(
        "section",
        h("h2", "Members"),
        _weights(fits, names),
        _judged(record, names),
        _alike(latest, names),
        id="members",
    )


def _by_name(fit: Fit) -> dict[str, Member]:
    return {member.member: member for member in fit.details.members}


def _weights(fits: dict[int, Fit], names: list[str]) -> Html:
    rows: list[list[object]] = []
    for name in names:
        told = [_by_name(fit).get(name) for fit in fits.values()]
        weights = [None if one is None else one.weight for one in told]
        own = [one.oof_corr for one in told if one is not None and one.oof_corr is not None]
        shown = [ABSENT if weight is None else percent(weight, 0) for weight in weights]
        rows.append([breakable(name), number(float(np.mean(own))) if own else ABSENT, *shown])
    head = ["member", "own corr", *(f"fold {fold}" for fold in fits)]
    note = (
        "Own corr is the mean over folds of what a member's corr was on the eras that the weights "
        "were found on, before the fold's judged ones."
    )
    return h("div", table("Weights of members", head, rows), h("p", note, class_="note"))


def _judged(record: Record, names: list[str]) -> Html:
    """Show what members scored beside the whole, and how much of it is not there already."""
    scores = {name: record.scores.scores.get(name, {}) for name in (MODEL, *names)}
    if not any(scores[name] for name in names):
        return Html("")
    means = {
        name: {metric: stats.mean for metric, stats in told.items()}
        for name, told in scores.items()
    }
    shown = {
        metric: head
        for metric, head in _ON_JUDGED.items()
        if any(told.get(metric) is not None for told in means.values())
    }
    rows = [
        [breakable(record.label(name)), *(number(told.get(metric)) for metric in shown)]
        for name, told in means.items()
    ]
    note = (
        "Means over the judged eras that have the score: mmc and the correlation with the meta "
        "model where there is one, bmc and the correlation with the benchmark likewise."
    )
    caption = "Members on the judged eras"
    return h("div", table(caption, ["", *shown.values()], rows), h("p", note, class_="note"))


def _alike(fit: Fit, names: list[str]) -> Html:
    told = _by_name(fit)
    if not any(member.correlations for member in told.values()):
        return Html("")
    rows = [
        [
            breakable(name),
            *(
                "1" if other == name else number(told[name].correlations.get(other), 2)
                for other in names
                if other in told
            ),
        ]
        for name in names
        if name in told
    ]
    head = ["", *(breakable(name) for name in names if name in told)]
    return table(f"Correlation of members' ranks within eras, fold {fit.fold}", head, rows)
