"""What the seed alone changes, in words and as a table that terminal and page share."""

from __future__ import annotations

from numerai_lab.report import figures
from numerai_lab.report.figures import interval, number
from numerai_lab.report.markup import Html, breakable, h, table
from numerai_lab.report.record import Record
from numerai_lab.report.run_shapes import Seeds

HEAD = ("seed", "mean", "minus the first", "95 % interval")

_FEW_SEEDS = 3
"""Of 2 seeds Student's t makes the bound 6.5 times as wide as the normal's, of 3 2.2 times."""


def seed_sentences(seeds: Seeds) -> list[str]:
    """Say the mean over seeds, with the noise of both, and how far two seeds lie apart."""
    if seeds.damage is not None:
        return [f"seeds: not known any more: {seeds.damage}"]
    eras = figures.in_eras(seeds.n_eras, seeds.first_era, seeds.last_era)
    said = [
        f"{seeds.n_seeds} seeds: {seeds.metric} {number(seeds.mean)} on average over {eras}, "
        f"95 % {interval(seeds.ci_low, seeds.ci_high)} with the noise of eras and of seeds"
    ]
    if seeds.std == 0:
        return [*said, "all seeds score the same: nothing in this experiment depends on the seed"]
    few = f" (so far because {seeds.n_seeds} seeds tell little of how they vary)"
    return [
        *said,
        f"seeds vary by {number(seeds.std)} (standard deviation); two runs that differ in "
        f"nothing but their seed lie up to {number(seeds.another_seed)} apart in 95 % of pairs"
        + (few if seeds.n_seeds <= _FEW_SEEDS else ""),
    ]


def seed_rows(seeds: Seeds) -> list[list[str]]:
    """Return a row for each seed, under `HEAD`."""
    return [
        [
            str(run.seed),
            number(run.mean),
            number(run.difference, signed=True) if i else "",
            interval(run.ci_low, run.ci_high) if i else "",
        ]
        for i, run in enumerate(seeds.runs)
    ]


def seeds_section(record: Record) -> Html:
    """Build the section of an experiment that was trained with several seeds."""
    seeds = record.seeds
    if seeds is None:
        return Html("")
    rows = [
        [breakable(run.run), *row] for run, row in zip(seeds.runs, seed_rows(seeds), strict=True)
    ]
    return h(
        "section",
        h("h2", "Seeds"),
        h("p", " ".join(f"{said[:1].upper()}{said[1:]}." for said in seed_sentences(seeds))),
        table(f"Mean {seeds.metric} by seed", ["run", *HEAD], rows) if rows else "",
        id="seeds",
    )
