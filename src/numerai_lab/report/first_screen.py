"""What a run came to, at a glance: the verdict, and corr beside what it was compared with."""

from __future__ import annotations

from numerai_lab.report import figures
from numerai_lab.report.figures import interval, number
from numerai_lab.report.markup import Html, breakable, h
from numerai_lab.report.messages import severity
from numerai_lab.report.record import Record
from numerai_lab.report.score_shapes import MODEL, Block, Comparison, Stats
from numerai_lab.report.swatches import swatch

MOST_BESIDE = 5
"""Predictions beside the run's own on the first screen; all of them stand under Scores."""
_WAYS = {
    "better": "better than {}",
    "better so far": "better than {} so far, not in every period",
    "worse": "worse than {}",
    "worse so far": "worse than {} so far, not in every period",
    "unclear": "not surely better or worse than {}",
    "identical": "the same as {}",
}


def own_differences(record: Record) -> list[Comparison]:
    """Return the differences of the run's own corr to what it was compared with."""
    every = record.scores.comparisons
    return [c for c in every if c.prediction == MODEL and c.metric == "corr"]


def verdict_line(record: Record) -> Html:
    """Say in one sentence what the scores say, and no more than they do."""
    corr = record.scores.stats(MODEL)
    if corr.mean is None:
        return Html("")
    if any(severity(warning) == 0 for warning in record.scores.warnings):
        said = "not to be believed before the suspected leak is explained"
    else:
        low, high = corr.ci_low, corr.ci_high
        above = low is not None and low > 0
        below = high is not None and high < 0
        said = "corr is surely above 0" if above else "corr is not surely above 0"
        said = "corr is surely below 0" if below else said
        ways: dict[str, list[str]] = {}
        for c in own_differences(record):
            if c.way in _WAYS and not c.control:
                ways.setdefault(c.way, []).append(c.baseline)
        said = "; ".join(
            [said, *(_WAYS[way].format(_listed(names)) for way, names in ways.items())]
        )
    return h("p", h("strong", "Verdict"), f" {said}.", class_="verdict")


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def beside(record: Record) -> Html:
    """Build the run's corr with its interval, and that of others on the same eras below it."""
    block = next(iter(record.scores.blocks(record.scores.target)), Block())
    if MODEL not in block.scores:
        return Html("")
    names = record.scores.names(block.scores)
    shown, left_out = names[: 1 + MOST_BESIDE], names[1 + MOST_BESIDE :]
    differences = {c.baseline: c for c in own_differences(record)}
    rows = [_row(record, block, name, differences.get(name)) for name in shown]
    eras = block.eras
    which = ", on the same " if len(names) > 1 else ", "
    own = record.scores.stats(MODEL)
    n, ends = (eras.n, (eras.first, eras.last)) if eras.n else (own.n_eras, (None, None))
    ends = ends if eras.n else (own.first_era, own.last_era)
    head = f"corr, mean per era{which}{figures.in_eras(n, *ends)}"
    more = h("a", f"{len(left_out)} more", href="#scores") if left_out else ""
    return h("div", h("p", head, class_="note"), *rows, more, class_="beside")


def _row(record: Record, block: Block, name: str, c: Comparison | None) -> Html:
    corr = block.scores[name].get("corr") or Stats()
    lines: list[object] = []
    if c is not None:
        ends = interval(c.ci_low, c.ci_high)
        difference = number(c.mean_difference, signed=True)
        on = ""
        if (c.n_eras, c.first_era, c.last_era) != (corr.n_eras, corr.first_era, corr.last_era):
            on = f", over {figures.in_eras(c.n_eras, c.first_era, c.last_era)}"
        words = f"{record.manifest.experiment} minus it {difference} {ends}{on}: {c.way}"
        lines.append(h("small", words))
    return h(
        "div",
        h("span", swatch(record, name), " ", breakable(record.label(name)), class_="who"),
        h("strong", number(corr.mean)),
        h("span", interval(corr.ci_low, corr.ci_high), class_="range"),
        *lines,
        class_="own" if name == MODEL else None,
    )
