"""The line that a prediction has in every chart, as a sample beside its name."""

from __future__ import annotations

from numerai_lab.report.charts import line_style
from numerai_lab.report.markup import Html, h
from numerai_lab.report.record import Record


def swatch(record: Record, name: str) -> Html:
    """Draw a sample of a prediction's line."""
    line = line_style(record, name)
    kind = {"solid": "solid", "dot": "dotted"}.get(line["dash"], "dashed")
    style = f"border-top:3px {kind} {line['color']}"
    return h("span", class_="swatch", style=style, aria_hidden="true")
