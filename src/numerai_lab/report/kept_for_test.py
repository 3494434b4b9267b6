"""The eras kept for a test, in words, and what the last look at them found, on the page."""

from __future__ import annotations

from collections.abc import Iterable

from numerai_lab.report import figures
from numerai_lab.report.figures import count, interval, number, percent
from numerai_lab.report.markup import Html, breakable, h, table
from numerai_lab.report.record import Record
from numerai_lab.report.run_shapes import Fold, KeptForTest
from numerai_lab.report.score_shapes import MODEL, Scores, Stats


def planned(fold: Fold) -> list[str]:
    """Say, before training, which eras a fold keeps for a test and what is done with them."""
    test = fold.test or KeptForTest()
    dates = figures.dates(test.first_date, test.last_date)
    final = (
        "a final model (--final) is fitted on them too, and they are no test of that one"
        if test.n_in_final
        else "a final model (--final) is not fitted on them"
    )
    return [
        f"test eras {figures.eras(test.first, test.last)}{dates}: {count(test.n_eras)} eras, "
        f"{count(test.n_rows)} rows, purge {fold.test_purge_eras}",
        "only `evaluate RUN --test` judges them, and every look is counted",
        final,
    ]


def sentences(test: KeptForTest) -> list[str]:
    """Say which eras these are, how often they were looked at, and what they do not test."""
    eras = figures.in_eras(test.n_eras, test.first, test.last)
    chosen = "; choosing by these scores makes them validation" if test.looks else ""
    said = [f"test: {eras}{figures.dates(test.first_date, test.last_date)}, {test.said}{chosen}"]
    if test.looks_in_other_runs:
        runs = f"{test.other_runs} other run{'' if test.other_runs == 1 else 's'}"
        times = "once" if test.looks_in_other_runs == 1 else f"{test.looks_in_other_runs} times"
        said.append(f"these eras were also looked at {times} in {runs} of these data")
    if test.final and test.n_in_final:
        said.append(
            "the final model was fitted on them too: what is scored here is the fold's model, "
            "and no test of the final one"
        )
    return said


def _scores(record: Record, scores: Scores) -> Iterable[Html]:
    keys = [
        key
        for key in ("mmc", "bmc", "fnc")
        if any((by.get(key) or Stats()).mean is not None for by in scores.scores.values())
    ]
    rows = []
    for name in scores.names():
        corr = scores.stats(name)
        others = [number(scores.stats(name, key).mean) for key in keys]
        label = breakable(record.label(name))
        rows.append(
            [
                h("strong", label) if name == MODEL else label,
                h("strong", number(corr.mean)),
                interval(corr.ci_low, corr.ci_high),
                number(corr.sharpe, 2),
                number(corr.sharpe_hac, 2),
                *others,
                figures.span(corr.n_eras, corr.first_era, corr.last_era),
            ]
        )
    head = ["prediction", "corr", "95 % interval", "sharpe", "sharpe hac", *keys, "eras"]
    yield table(f"Test scores on {scores.target}, mean per era, at the last look", head, rows)
    differences = [
        h(
            "li",
            h("strong", f"{c.name}: {c.way_in_words}"),
            f", {c.metric} {number(c.mean_difference, signed=True)} per era, "
            f"95 % {interval(c.ci_low, c.ci_high)}, probability of improvement "
            f"{percent(c.improves)}, {figures.in_eras(c.n_eras, c.first_era, c.last_era)}.",
        )
        for c in scores.comparisons
    ]
    if differences:
        yield h("ul", *differences, class_="comparisons")


def kept_section(record: Record) -> Html:
    """Build the section of a split with a test: looks at it, and what the last one found."""
    test = record.test
    if test is None:
        return Html("")
    looks = [
        [
            count(look.number),
            look.utc,
            look.version,
            breakable(look.command)
            if look.baseline_of is None
            else breakable(f"{look.command} (as a baseline of {look.baseline_of})"),
        ]
        for look in test.history
    ]
    return h(
        "section",
        h("h2", "Test"),
        h("p", " ".join(f"{sentence}." for sentence in sentences(test))),
        h("p", test.damage, class_="note") if test.damage else "",
        *(_scores(record, test.scores) if test.scores is not None else ()),
        table("Looks", ["look", "when", "version", "command"], looks, text_columns=4)
        if looks
        else "",
        id="test",
    )
