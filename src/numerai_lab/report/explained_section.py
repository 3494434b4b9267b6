"""What features add to predictions: the section of report.html that leads to explain.html."""

from __future__ import annotations

from numerai_lab.report.explain_words import direction, largest, model_of
from numerai_lab.report.figures import number, percent
from numerai_lab.report.markup import Html, code, h, table
from numerai_lab.report.record import Record

TOP = 10


def explained_section(record: Record) -> Html:
    """Build the section of a run that was explained; nothing where it was not."""
    if not record.explained and not record.unexplained:
        return Html("")
    tables = []
    for fold, facts in record.explained.items():
        rows = [
            [
                code(one["feature"]),
                percent(one["share"], 1),
                direction(one),
                number(one["earned"], signed=True),
            ]
            for one in largest(facts, TOP)
        ]
        if rows:
            caption = f"{model_of(fold)}: the largest contributions"
            head = ["feature", "share", "moves", "earned"]
            tables.append(table(caption, head, rows))
    link = h("a", "explain.html", href="explain.html")
    return h(
        "section",
        h("h2", "Explanation"),
        h("p", "What each feature adds to predictions; in full in ", link, ".", class_="note"),
        *(h("p", damage) for damage in record.unexplained),
        *tables,
        id="explanation",
    )
