"""Charts on a page: their places, the data and the library that draw them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources

from numerai_lab.report.charts import Chart
from numerai_lab.report.markup import Html, h

# The browser itself refuses every request, whatever a file of the run may have put in the page.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
NO_SCRIPT = h("noscript", h("p", "The charts need JavaScript; the sentences below them do not."))


def asset(name: str) -> Html:
    """Return a file of this package that goes into pages."""
    return Html(resources.files("numerai_lab.report").joinpath(name).read_text(encoding="utf-8"))


def figure(chart: Chart, wide: bool) -> Html:
    """Build the place of a chart, with its heading and its words."""
    plot = h(
        "div",
        id=f"chart-{chart.key}",
        class_="chart",
        # The place is kept before it is drawn, and where it is not drawn: nothing jumps.
        style=f"--height:{chart.figure['layout']['height']}px",
        role="img",
        aria_label=chart.words,
    )
    return h(
        "figure",
        h("h3", chart.title),
        plot,
        h("figcaption", chart.words),
        class_="wide" if wide else None,
    )


def scripts(drawn: Sequence[Chart]) -> tuple[Html, ...]:
    """Build the last parts of a page: the charts' data, and what draws them if there are any."""
    specs = {f"chart-{chart.key}": chart.figure for chart in drawn}
    data = h("script", _script_json(specs), type="application/json", id="charts")
    if not drawn:
        return (data,)
    return data, _charts_library(), h("script", asset("page.js"))


@cache
def _charts_library() -> Html:
    from plotly.offline import get_plotlyjs

    return h("script", Html(get_plotlyjs()), id="plotly")


def _script_json(value: object) -> Html:
    """Write JSON so that nothing in it can end the script element it stands in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Html(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
