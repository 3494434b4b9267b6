"""report.html: one file that holds all it needs and asks the network for nothing."""

from __future__ import annotations

from pathlib import Path

from numerai_lab.files import write_text
from numerai_lab.report import charts, figures
from numerai_lab.report.adaptation import draw_adaptation
from numerai_lab.report.cards import cards
from numerai_lab.report.charts import Chart
from numerai_lab.report.explained_section import explained_section
from numerai_lab.report.facts_section import facts_section
from numerai_lab.report.features_section import features_section
from numerai_lab.report.first_screen import beside, verdict_line
from numerai_lab.report.folds_section import folds_section
from numerai_lab.report.glossary import glossary_section
from numerai_lab.report.kept_for_test import kept_section
from numerai_lab.report.markup import Html, breakable, document_parts, h, join
from numerai_lab.report.members_section import members_section
from numerai_lab.report.messages import messages, notes
from numerai_lab.report.outcomes import draw_outcomes
from numerai_lab.report.parameters_section import parameters_section
from numerai_lab.report.periods_section import periods_section
from numerai_lab.report.plots import NO_SCRIPT, POLICY, asset, figure, scripts
from numerai_lab.report.portfolio import draw_portfolio, portfolio_section
from numerai_lab.report.record import Record, read_record
from numerai_lab.report.score_shapes import MODEL
from numerai_lab.report.scores_section import scores_section
from numerai_lab.report.several_seeds import seeds_section
from numerai_lab.report.training_section import draw_training, training_section


def _header(record: Record) -> Html:
    manifest, scores = record.manifest, record.scores
    judged, n_folds = scores.eras, len(manifest.folds)
    line = [
        f"model {manifest.model.type}",
        f"scored on {scores.target} ({figures.count(scores.horizon_days)} trading days)",
        f"{manifest.split.type} split, {n_folds} fold{'' if n_folds == 1 else 's'}",
        f"{figures.count(judged.n)} eras judged ({figures.eras(judged.first, judged.last)})"
        + manifest.data.dates(judged.first, judged.last),
    ]
    return h(
        "header",
        h("h1", breakable(manifest.experiment)),
        h("p", manifest.question, class_="question") if manifest.question else "",
        verdict_line(record),
        h(
            "ul",
            *(h("li", part) for part in line if part),
            # On a phone it stands under Facts only, so that the chart is on the first screen.
            h("li", breakable(record.folder.name), class_="roomy"),
            class_="meta",
        ),
    )


def _overview(record: Record, drawn: list[Chart]) -> Html:
    """Build the first screen: the numbers to look at first, and the first chart."""
    first = [NO_SCRIPT, figure(drawn[0], wide=True)] if drawn else []
    return h("div", beside(record), *first, cards(record), class_="overview")


def _charts_section(record: Record, drawn: list[Chart]) -> Html:
    folds = record.manifest.folds
    if not drawn:
        words = "No era has a corr of this run, so there is nothing to draw."
        return h("section", h("h2", "Eras"), h("p", words, class_="note"), id="eras")
    # Narrow charts stand in pairs; one left over takes the whole width.
    further = drawn[1:]
    narrow = [chart for chart in further if not chart.wide]
    unpaired = narrow[-1] if len(narrow) % 2 == 1 else None
    plots = [figure(chart, chart.wide or chart is unpaired) for chart in further]
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
        h("div", *plots, class_="charts"),
        id="eras",
    )


def render_page(record: Record) -> Html:
    """Render the whole page of a run."""
    return join(_page(record))


def _page(record: Record) -> list[Html]:
    """Return the page as texts that follow one another."""
    drawn = [*charts.draw(record), *draw_outcomes(record), *draw_adaptation(record)]
    trained = draw_training(record)
    test = ("test",) if record.test is not None else ()
    seeds = ("seeds",) if record.seeds is not None else ()
    told = ("explanation",) if record.explained or record.unexplained else ()
    earned = draw_portfolio(record)
    parts = {
        "portfolio": portfolio_section(record, earned),
        "members": members_section(record),
        "periods": periods_section(record),
        "parameters": parameters_section(record),
    }
    there = {name: (name,) if part else () for name, part in parts.items()}
    sections = ("scores", *there["portfolio"], *seeds, *test, *there["members"], "eras")
    sections += (*there["periods"], "features")
    sections += (*told, "folds", *there["parameters"], "facts", "glossary")
    links = (h("a", name.capitalize(), href=f"#{name}") for name in sections)
    body = (
        _header(record),
        messages(record),
        _overview(record, drawn),
        notes(record),
        h("nav", *links, aria_label="Sections", class_="screen"),
        h(
            "main",
            scores_section(record),
            parts["portfolio"],
            seeds_section(record),
            kept_section(record),
            parts["members"],
            _charts_section(record, drawn),
            parts["periods"],
            features_section(record),
            explained_section(record),
            training_section(record, trained),
            folds_section(record),
            parts["parameters"],
            facts_section(record),
            glossary_section(),
        ),
        *scripts([*drawn, *earned, *trained]),
    )
    corr = figures.number(record.scores.stats(MODEL).mean)
    title = f"{record.label(MODEL)}: corr {corr}"
    return document_parts(title, asset("page.css"), POLICY, *body)


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
    write_text(path, *_page(read_record(run_dir)))
    return path
