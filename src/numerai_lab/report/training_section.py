"""How nets were trained: loss and corr by epoch, and the epochs that were tried."""

from __future__ import annotations

from typing import Any

from numerai_lab.report.charts import BASELINE_COLOURS, MODEL_COLOUR, Chart, bare_layout
from numerai_lab.report.figures import count, number
from numerai_lab.report.markup import Html, h, table
from numerai_lab.report.plots import figure
from numerai_lab.report.pretraining_section import pretraining_tables
from numerai_lab.report.record import Record
from numerai_lab.report.run_shapes import Fit, Training


def draw_training(record: Record) -> list[Chart]:
    """Draw the loss by epoch, and the corr of eras that stop it early; nothing without a net."""
    told = _told(record)
    losses = _traces(told, "loss")
    if not losses:
        return []
    corrs = _traces(told, "corr")
    drawn = [_chart("training-loss", "Loss by epoch", losses, _LOSS)]
    if corrs:
        drawn.append(_chart("training-corr", "Corr by epoch", corrs, _CORR))
    return drawn


_LOSS = "The mean loss over the steps of an epoch, on the rows that are learnt from, a line a net."
_CORR = "The corr per era, after each epoch, on the eras that tell when to stop; a line a net."


def training_section(record: Record, drawn: list[Chart]) -> Html:
    """Build the section; nothing for a model that is no net."""
    told = _told(record)
    if not told:
        return Html("")
    rows = [
        [
            f"fold {fold}",
            training.device,
            training.precision,
            ", ".join(count(net.kept) for net in training.nets),
            count(None if training.rows_per_second is None else round(training.rows_per_second)),
        ]
        for fold, training in told.items()
    ]
    head = ["", "device", "precision", "epochs kept", "rows a second"]
    return h(
        "section",
        h("h2", "Training"),
        table("How nets were trained", head, rows, text_columns=3),
        _trials(told),
        *(
            h("p", f"fold {fold}: {training.not_chosen}.")
            for fold, training in told.items()
            if training.not_chosen
        ),
        pretraining_tables(told),
        h("div", *(figure(chart, len(drawn) == 1) for chart in drawn), class_="charts"),
        id="training",
    )


def _told(record: Record) -> dict[int, Training]:
    fits: list[tuple[int, Fit]] = sorted(record.fits.items())
    return {fold: fit.details.training for fold, fit in fits if fit.details.training is not None}


def _trials(told: dict[int, Training]) -> Html:
    """Show the corr of held-out eras for each number of epochs that was tried, where any was."""
    told = {fold: training for fold, training in told.items() if training.trials}
    tried = sorted({t.epochs for training in told.values() for t in training.trials if t.epochs})
    if not tried:
        return Html("")
    rows = []
    for fold, training in told.items():
        corr = {trial.epochs: trial.corr for trial in training.trials}
        rows.append([f"fold {fold}", *(number(corr.get(epochs)) for epochs in tried)])
    return table("Corr of held-out early eras by epochs", ["", *map(count, tried)], rows)


def _traces(told: dict[int, Training], what: str) -> list[dict[str, Any]]:
    traces = []
    colours = (MODEL_COLOUR, *BASELINE_COLOURS)
    for place, (fold, training) in enumerate(told.items()):
        for net in training.nets:
            values = [value for value in getattr(net, what) if value is not None]
            if not values:
                continue
            name = f"fold {fold}" + (f", seed {net.seed}" if len(training.nets) > 1 else "")
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers" if len(values) < 20 else "lines",
                    "name": name,
                    "x": list(range(1, len(values) + 1)),
                    "y": [float(f"{value:.6g}") for value in values],
                    "line": {"color": colours[place % len(colours)], "width": 1.8},
                }
            )
    return traces


def _chart(key: str, title: str, traces: list[dict[str, Any]], words: str) -> Chart:
    arranged = bare_layout("epoch", legend=len(traces) > 1)
    return Chart(key, title, words, {"data": traces, "layout": arranged})
