"""What a net learnt before it was shown a target: masks, and how well it rebuilds groups."""

from __future__ import annotations

from collections.abc import Mapping

from numerai_lab.report.figures import count, number, percent
from numerai_lab.report.markup import Html, h, table
from numerai_lab.report.run_shapes import Pretraining, Training


def pretraining_tables(told: Mapping[int, Training]) -> Html:
    """Build the tables of all folds; nothing where no net was pretrained.

    The masks are those of the last fold, since all draw alike.
    """
    found = {fold: t.pretraining for fold, t in told.items() if t.pretraining is not None}
    if not found:
        return Html("")
    rows = [
        [
            f"fold {fold}",
            f"{one.first}-{one.last}",
            count(one.rows),
            count(len(one.held_out)),
            number(one.loss[0] if one.loss else None),
            number(one.loss[-1] if one.loss else None),
            count(one.rows_per_second),
        ]
        for fold, one in found.items()
    ]
    head = ["", "eras", "rows", "eras held out", "first loss", "last loss", "rows a second"]
    last = list(found.values())[-1]
    masks = [[mask.mode, percent(mask.drawn), percent(mask.hidden)] for mask in last.masks]
    return h(
        "div",
        h("h3", "Pretraining on rows without labels"),
        table("What was pretrained on", head, rows, text_columns=2),
        table("Masks", ["mask", "parts of eras it is drawn for", "groups hidden"], masks),
        _errors(found),
        h(
            "p",
            "The error is the mean square, in bins, of a group that is hidden as a whole and "
            "rebuilt from all others, in eras that were held out of the pretraining (where it had "
            "20 eras; else in those it learnt from), a mean over the folds. Mean: the mean of each "
            "feature; linear: a ridge regression on the other groups. A net above the linear "
            "error has learnt less of the features than a regression would in a second.",
        ),
    )


def _errors(found: Mapping[int, Pretraining]) -> Html:
    """Show the errors of each group, a mean over the folds that have it, and their mean."""
    names = dict.fromkeys(group.name for one in found.values() for group in one.groups)
    rows, errors = [], []
    for name in names:
        same = [group for one in found.values() for group in one.groups if group.name == name]
        ways = [[g.net for g in same], [g.mean for g in same], [g.linear for g in same]]
        errors.append([_mean(values) for values in ways])
        rows.append([name, count(same[-1].features), *map(number, errors[-1])])
    if len(rows) > 1:
        means = [_mean(list(values)) for values in zip(*errors, strict=True)]
        rows.append(["mean of the groups", "", *map(number, means)])
    head = ["group", "features", "net", "mean", "linear"]
    return table("Error of what was rebuilt, by group", head, rows)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
