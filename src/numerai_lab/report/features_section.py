"""Which features the model leans on: by their importance in it, by exposure of predictions."""

from __future__ import annotations

import numpy as np

from numerai_lab.report.figures import number, percent
from numerai_lab.report.markup import Html, code, h, table
from numerai_lab.report.record import Record

TOP = 20


def importance_shares(record: Record) -> dict[str, list[float]]:
    """Return each feature's share of the importance, by fold, the highest mean share first.

    A feature that a fold's model never used has the share 0 there; folds whose model reports
    no gain are left out.
    """
    gains = [
        {name: gain for name, gain in fit.importance.items() if gain is not None}
        for fit in record.fits.values()
    ]
    totals = [(fold, sum(fold.values())) for fold in gains]
    used = [(fold, total) for fold, total in totals if total > 0]
    names = dict.fromkeys(name for fold, _ in used for name in fold)
    shares = {name: [fold.get(name, 0.0) / total for fold, total in used] for name in names}
    return dict(sorted(shares.items(), key=lambda item: -float(np.mean(item[1]))))


def _bar(share: float, class_: str = "") -> Html:
    style = f"width:{100 * min(share, 1):.1f}%"
    return h("span", h("i", style=style, class_=class_ or None), class_="bar", aria_hidden="true")


def _by_importance(record: Record) -> Html:
    shares = importance_shares(record)
    if not shares:
        return h("p", "The model reports no importance.", class_="note")
    top = [(name, by_fold) for name, by_fold in list(shares.items())[:TOP]]
    largest = max(float(np.mean(by_fold)) for _, by_fold in top)
    several = len(top[0][1]) > 1
    rows = [
        [
            code(name),
            _bar(float(np.mean(by_fold)) / largest),
            percent(float(np.mean(by_fold)), 1),
            *([f"{100 * min(by_fold):.1f}-{percent(max(by_fold), 1)}"] if several else []),
        ]
        for name, by_fold in top
    ]
    shown = min(TOP, len(shares))
    caption = f"Top {shown} of {len(shares)} features by share of importance"
    head = ["feature", "", "share"]
    if several:
        caption, head = (
            f"{caption}, mean over folds (lowest-highest)",
            [*head, "lowest and highest fold"],
        )
    return table(caption, head, rows, class_="features")


def _by_added_columns(record: Record) -> Html:
    """Build the ranking of added columns by their share of the importance of all columns."""
    folds = [
        (fit.details.transforms, sum(gain or 0.0 for gain in fit.importance.values()))
        for fit in record.fits.values()
    ]
    told = [(added, raw) for added, raw in folds if added is not None]
    if not told:
        return h("div")
    shares: dict[str, list[float]] = {}
    for added, raw in told:
        whole = raw + sum(gain or 0.0 for gain in added.importance.values())
        for name in added.columns:
            gain = added.importance.get(name) or 0.0
            shares.setdefault(name, []).append(gain / whole if whole > 0 else 0.0)
    means = {name: sum(by_fold) / len(told) for name, by_fold in shares.items()}
    top = sorted(means.items(), key=lambda item: -item[1])[:TOP]
    rows = [[code(name), percent(share, 1)] for name, share in top]
    caption = (
        f"Top {len(rows)} of {len(shares)} added columns, which have "
        f"{percent(sum(means.values()), 1)} of the importance of all columns"
    )
    return table(caption, ["column", "share"], rows, class_="features")


def _by_exposure(record: Record) -> Html:
    known = {name: value for name, value in record.exposure.items() if value is not None}
    if not known:
        return h("p", "The run has no exposure by feature.", class_="note")
    top = sorted(known.items(), key=lambda item: -abs(item[1]))[:TOP]
    largest = abs(top[0][1]) or 1.0
    rows = [
        [
            code(name),
            _bar(abs(value) / largest, "loss" if value < 0 else ""),
            number(value, 3, signed=True),
        ]
        for name, value in top
    ]
    caption = f"Top {len(top)} of {len(known)} features by exposure, mean over eras"
    return table(caption, ["feature", "", "exposure"], rows, class_="features")


def features_section(record: Record) -> Html:
    """Build the section with the two rankings of features."""
    return h(
        "section",
        h("h2", "Features"),
        h("div", _by_importance(record), _by_exposure(record), class_="pair"),
        _by_added_columns(record),
        id="features",
    )
