"""The folds on a time axis: which eras taught, which were dropped, which were judged."""

from __future__ import annotations

from numerai_lab.report import figures
from numerai_lab.report.figures import count
from numerai_lab.report.markup import Html, h, join, table
from numerai_lab.report.record import Record
from numerai_lab.report.run_shapes import EraWindow, Fit, Fold
from numerai_lab.report.score_shapes import MODEL
from numerai_lab.report.shapes import Eras

KINDS = {
    "train": "train",
    "purge": "purge: dropped before the judged eras, or before those of the test",
    "judged": "judged",
    "test": "kept for the test",
    "embargo": "embargo: dropped after them",
    "unused": "not used",
}
IN_LIBRARY = "of which in the library"
"""Column and row of the seconds inside the training calls of the model's library."""
MAX_RUNS = 60
"""Above this many runs of eras (every 4th era, say) one striped span is drawn for all."""


def _spans(fold: Fold) -> list[tuple[str, Eras]]:
    """Return (kind, run of eras); what was dropped is named by the side of the judged eras."""
    train_first = min((run[0] for run in fold.train_eras), default=None)
    judged_first = min((run[0] for run in fold.judged_eras), default=None)
    judged_last = max((run[1] for run in fold.judged_eras), default=None)
    spans: list[tuple[str, Eras]] = []
    for run in fold.dropped_eras:
        kind = "unused"
        if judged_first is not None and run[1] < judged_first:
            kind = "purge" if train_first is not None and run[0] > train_first else "unused"
        elif judged_last is not None and run[0] > judged_last and fold.embargo_eras:
            kind = "embargo"
        elif judged_last is not None and run[0] > judged_last and fold.test_eras:
            kind = "purge" if run[1] < fold.test_eras[0][0] else "unused"
        spans.append((kind, run))
    parts = (("train", fold.train_eras), ("judged", fold.judged_eras), ("test", fold.test_eras))
    for kind, runs in parts:
        if len(runs) > MAX_RUNS:
            spans.append((f"{kind} sparse", (runs[0][0], runs[-1][1])))
        else:
            spans += [(kind, run) for run in runs]
    return spans


def _ticks(first: int, last: int) -> list[int]:
    span = last - first + 1
    step = next((s * 10**p for p in range(6) for s in (1, 2, 5) if span / (s * 10**p) <= 7), span)
    return [era for era in range(first, last + 1) if era % step == 0] or [first]


def _axis(folds: list[Fold]) -> Html:
    drawn = [(fold, _spans(fold)) for fold in folds]
    runs = [run for _, spans in drawn for _, run in spans]
    if not runs:
        return Html("")
    first, last = min(run[0] for run in runs), max(run[1] for run in runs)
    width = last - first + 1

    def left(era: float) -> str:
        return f"left:{100 * (era - first) / width:.3f}%"

    rows = []
    for fold, spans in drawn:
        bars = [
            h(
                "i",
                class_=kind,
                style=f"{left(a)};width:{100 * (b - a + 1) / width:.3f}%",
                title=f"{kind.removesuffix(' sparse')}: eras {figures.eras(a, b)}",
            )
            for kind, (a, b) in spans
        ]
        words = (
            f"fold {fold.fold}: trains on eras {figures.eras(fold.train.first, fold.train.last)}, "
            f"purges {fold.purge_eras}, is judged on "
            f"{figures.eras(fold.judged.first, fold.judged.last)}"
        )
        track = h("span", *bars, class_="track", role="img", aria_label=words)
        rows.append(h("div", h("span", f"fold {fold.fold}", class_="name"), track))
    ticks = (h("b", era, style=left(era + 0.5)) for era in _ticks(first, last))
    rows.append(h("div", h("span", "era", class_="name"), h("span", *ticks, class_="ticks")))
    kinds = {kind.split()[0] for _, spans in drawn for kind, _ in spans}
    key = (
        h("li", h("i", class_=kind, aria_hidden="true"), text)
        for kind, text in KINDS.items()
        if kind in kinds
    )
    return h("div", h("ul", *key, class_="key"), *rows, class_="folds")


def _window(window: EraWindow, mark: str = "") -> Html:
    """Write which eras, and below how many eras and rows, and a mark."""
    which = figures.eras(window.first, window.last)
    dates = figures.dates(window.first_date, window.last_date)
    size = f"{count(window.n_eras)} eras, {count(window.n_rows)} rows"
    marked = [h("small", h("strong", mark))] if mark else []
    return join([which, h("small", f"{size}{dates}"), *marked], " ")


def _row(fold: Fold, fit: Fit) -> list[object]:
    return [
        f"fold {fold.fold}",
        _window(fold.train),
        fold.purge_eras,
        fold.embargo_eras,
        _window(fold.judged, fold.seen),
        count(fit.size),
        figures.seconds(fit.fit_seconds),
        figures.seconds(fit.library_seconds),
        figures.seconds(fit.predict_seconds),
    ]


def folds_section(record: Record) -> Html:
    """Build the section with the folds' time axis and their numbers."""
    folds = record.manifest.folds
    head = ["fold", "train eras", "purge", "embargo", "judged eras"]
    units = dict.fromkeys(fit.unit for fit in record.fits.values() if fit.unit)
    head += [" or ".join(units) or "size", "fitting", IN_LIBRARY, "predicting"]
    rows = [_row(fold, record.fits.get(fold.fold, Fit())) for fold in folds]
    return h(
        "section",
        h("h2", "Folds"),
        h("p", "The run names no folds.", class_="note") if not folds else "",
        _axis(folds),
        table(f"Folds of {record.label(MODEL)}", head, rows) if folds else "",
        id="folds",
    )
