"""report.html: one file that holds all it needs and asks the network for nothing."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from numerai_lab.files import write_text
from numerai_lab.report import charts, figures
from numerai_lab.report.adaptation import draw_adaptation
from numerai_lab.report.cards import cards
from numerai_lab.report.charts import Chart
from numerai_lab.report.facts_section import facts_section, fold_notes
from numerai_lab.report.features_section import features_section
from numerai_lab.report.folds_section import folds_section
from numerai_lab.report.markup import Html, h, join
from numerai_lab.report.record import Record, read_record
from numerai_lab.report.scores_section import scores_section
from numerai_lab.report.shapes import MODEL

# The browser itself refuses every request, whatever a file of the run may have put in the page.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)


def _asset(name: str) -> Html:
    return Html(resources.files("numerai_lab.report").joinpath(name).read_text(encoding="utf-8"))


def _messages(record: Record) -> Html:
    manifest = record.manifest
    parts = []
    synthetic = manifest.data.source == "synthetic"
    if synthetic or manifest.data.notice:
        title = "Synthetic data" if synthetic else "About the data"
        text = manifest.data.notice or (
            "These rows were made by the lab itself. The scores show that everything works; "
            "they say nothing about the tournament."
        )
        parts.append(h("div", h("strong", title), h("p", text), class_="banner", role="note"))
    if record.scores.warnings:
        said = h("ul", *(h("li", warning) for warning in record.scores.warnings))
        parts.append(h("div", h("strong", "Warnings"), said, class_="warnings", role="note"))
    return join(parts)


def _notes(record: Record) -> Html:
    notes = [*record.manifest.notes, *fold_notes(record)]
    if not notes:
        return Html("")
    said = h("ul", *(h("li", note) for note in notes))
    return h("div", h("strong", "Notes"), said, class_="notes", role="note")


def _header(record: Record) -> Html:
    manifest, scores = record.manifest, record.scores
    judged, n_folds = scores.eras, len(manifest.folds)
    line = [
        f"model {manifest.model.type}",
        f"scored on {scores.target} ({figures.count(scores.horizon_days)} trading days)",
        f"{manifest.split.type} split, {n_folds} fold{'' if n_folds == 1 else 's'}",
        f"{figures.count(judged.n)} eras judged ({figures.eras(judged.first, judged.last)})"
        + manifest.data.dates(judged.first, judged.last),
        manifest.created_utc or "",
        record.folder.name,
    ]
    return h(
        "header",
        h("h1", manifest.experiment),
        h("p", manifest.question, class_="question") if manifest.question else "",
        h("ul", *(h("li", part) for part in line if part), class_="meta"),
    )


def _figure(chart: Chart, wide: bool) -> Html:
    plot = h("div", id=f"chart-{chart.key}", class_="chart", role="img", aria_label=chart.words)
    return h(
        "figure",
        h("h3", chart.title),
        plot,
        h("figcaption", chart.words),
        class_="wide" if wide else None,
    )


def _charts_section(record: Record, drawn: list[Chart]) -> Html:
    folds = record.manifest.folds
    if not drawn:
        words = "No era has a corr of this run, so there is nothing to draw."
        return h("section", h("h2", "Eras"), h("p", words, class_="note"), id="eras")
    # Narrow charts stand in pairs; one left over takes the whole width.
    narrow = [chart for chart in drawn if not chart.wide]
    unpaired = narrow[-1] if len(narrow) % 2 == 1 else None
    plots = [_figure(chart, chart.wide or chart is unpaired) for chart in drawn]
    zoom = "Drag across a chart to zoom all of them to those eras, double-click to go back. "
    return h(
        "section",
        h("h2", "Eras"),
        h(
            "p",
            h("span", zoom, class_="mouse screen"),
            "A dotted line is where the next fold begins." if len(folds) > 1 else "",
            class_="note",
        ),
        h("noscript", h("p", "The charts need JavaScript; the sentences below them do not.")),
        h("div", *plots, class_="charts"),
        id="eras",
    )


def _script_json(value: object) -> Html:
    """Write JSON so that nothing in it can end the script element it stands in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Html(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def render_page(record: Record) -> Html:
    """Render the whole page of a run."""
    from plotly.offline import get_plotlyjs

    drawn = [*charts.draw(record), *draw_adaptation(record)]
    specs = {f"chart-{chart.key}": chart.figure for chart in drawn}
    sections = ("scores", "eras", "features", "folds", "facts")
    links = (h("a", name.capitalize(), href=f"#{name}") for name in sections)
    body = h(
        "body",
        _header(record),
        _messages(record),
        cards(record),
        _notes(record),
        h("nav", *links, aria_label="Sections", class_="screen"),
        h(
            "main",
            scores_section(record),
            _charts_section(record, drawn),
            features_section(record),
            folds_section(record),
            facts_section(record),
        ),
        h("script", _script_json(specs), type="application/json", id="charts"),
        h("script", Html(get_plotlyjs()), id="plotly") if drawn else "",
        h("script", _asset("page.js")) if drawn else "",
    )
    corr = figures.number(record.scores.stats(MODEL).mean)
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("meta", http_equiv="Content-Security-Policy", content=POLICY),
        h("title", f"{record.label(MODEL)}: corr {corr}"),
        h("style", _asset("page.css")),
    )
    return Html("<!doctype html>\n" + h("html", head, body, lang="en"))


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into a finished run directory, about 5 MB with the charts' library.

    Returns
    -------
    The path of the report.

    Raises
    ------
    RunError
        The run directory is missing a file, or one of its files is damaged.
    MachineError
        The report cannot be written; an earlier report stays as it was.
    """
    path = run_dir / "report.html"
    write_text(path, render_page(read_record(run_dir)))
    return path
