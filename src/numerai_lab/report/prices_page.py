"""prices.html: what `data prices` found in files of prices, and the same for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numerai_lab.files import write_text
from numerai_lab.report.charts import BENCHMARK_COLOUR, MODEL_COLOUR, Chart, bare_layout
from numerai_lab.report.figures import count
from numerai_lab.report.markup import code, document, facts, h, table
from numerai_lab.report.messages import banner
from numerai_lab.report.plots import NO_SCRIPT, POLICY, asset, figure, scripts

Facts = Mapping[str, Any]

REASONS = {
    "ticker_weeks_with_short_history": "too short a history (min_history_days)",
    "ticker_weeks_traded_too_little": "traded too little (min_dollar_volume)",
    "ticker_weeks_outside_universe": "not in the universe then",
    "ticker_weeks_without_volatility": "prices that do not move: no volatility",
}


def prices_lines(found: Facts, said: Sequence[str]) -> list[str]:
    """Return what was found, a line each, for the terminal.

    Parameters
    ----------
    found : `PriceFolder.facts`. said : what was wrong in the files, in sentences.
    """
    days, eras, counts = found["days"], found["eras"], found["counts"]
    lines = [
        f"rows in files   {count(counts['rows_in_files'])}, {count(counts['rows'])} used",
        f"tickers         {count(found['n_tickers'])}; {found['listed_later']} are listed later, "
        f"{found['gone']} end before the last day",
        f"trading days    {count(days['n'])}, {days['first']} to {days['last']}",
        f"weekly eras     {count(eras['n'])}, {eras['first']} to {eras['last']} (the last is live)",
        f"weekly rows     {count(found['rows'])} of {count(counts['ticker_weeks'])} ticker weeks",
    ]
    lines += [f"  left out      {count(n)}: {reason}" for reason, n in _left_out(found)]
    if found["most_gaps"]:
        some = ", ".join(f"{one['ticker']} {one['days']}" for one in found["most_gaps"][:5])
        lines.append(f"most days missing within a ticker's life: {some}")
    lines += said
    return [*lines, _biased(found)]


def _biased(found: Facts) -> str:
    if found["made_up"]:
        return "these prices are made up"
    if found["point_in_time"]:
        return "a universe file tells which tickers could be bought when"
    return (
        "no universe file: if the list of tickers was drawn up today, it holds those that did "
        "well, and every score is flattered"
    )


def _left_out(found: Facts) -> list[tuple[str, int]]:
    counts = found["counts"]
    return [(why, counts[name]) for name, why in REASONS.items() if counts.get(name)]


def write_prices_page(found: Facts, said: Sequence[str], path: Path) -> None:
    """Write the page, about 5 MB with the charts' library; parameters as of `prices_lines`.

    Raises
    ------
    MachineError : it cannot be written; an earlier page stays as it was.
    """
    chart = _draw(found)
    days, eras, counts = found["days"], found["eras"], found["counts"]
    sources = found["sources"]
    title = "made-up prices" if found["made_up"] else Path(sources[0]).name
    more = f" and {len(sources) - 1} more" if len(sources) > 1 else ""
    dropped = [(name.replace("_", " "), count(n)) for name, n in counts.items()]
    gaps = [(one["ticker"], count(one["days"])) for one in found["most_gaps"]]
    body = (
        h("header", h("h1", title + more)),
        h(
            "div",
            banner("Survivorship", _biased(found)) if not found["point_in_time"] else "",
            h("ul", *(h("li", one) for one in said))
            if said
            else h("p", f"Nothing was wrong in the files; {_biased(found)}."),
        ),
        h("div", NO_SCRIPT, figure(chart, wide=True), class_="charts"),
        h(
            "main",
            h(
                "section",
                h("h2", "Found"),
                h(
                    "div",
                    facts(
                        [
                            ("tickers", count(found["n_tickers"])),
                            ("listed later", count(found["listed_later"])),
                            ("gone before the last day", count(found["gone"])),
                            (
                                "trading days",
                                f"{count(days['n'])}, {days['first']} to {days['last']}",
                            ),
                            ("eras", f"{count(eras['n'])}, {eras['first']} to {eras['last']}"),
                            ("rows", count(found["rows"])),
                            *((f"left out: {why}", count(n)) for why, n in _left_out(found)),
                            ("files", ", ".join(sources[:3]) + more if sources else "none"),
                        ]
                    ),
                    class_="pair",
                ),
            ),
            h(
                "section",
                h("h2", "Counts"),
                table("What happened to rows, days and returns", ("what", "number"), dropped),
                table("Days missing within a ticker's life", ("ticker", "days"), gaps)
                if gaps
                else "",
                h("p", "Rules: ", code("docs/prices.md"), class_="note"),
            ),
        ),
        *scripts([chart]),
    )
    write_text(path, document(f"prices: {title}", asset("page.css"), POLICY, *body))


def _draw(found: Facts) -> Chart:
    per_era = found["rows_per_era"]
    layout = bare_layout("week", height=320)
    layout["yaxis"]["rangemode"] = "tozero"
    layout["xaxis"]["type"] = "date"

    def line(name: str, values: Sequence[int], colour: str) -> dict[str, Any]:
        style = {"color": colour, "width": 2}
        traced = {"type": "scatter", "mode": "lines", "name": name, "line": style}
        return {**traced, "x": per_era["dates"], "y": list(values)}

    data = [
        line("tickers with a price", per_era["tickers"], BENCHMARK_COLOUR),
        line("rows made of them", per_era["rows"], MODEL_COLOUR),
    ]
    words = (
        f"Tickers with a price on the last trading day of each week, and those that have a row: "
        f"from {count(max(per_era['tickers'][:1] or [0]))} to {count(per_era['tickers'][-1])}, and "
        f"{count(per_era['rows'][-1])} rows at the end."
    )
    return Chart("weeks", "Tickers and rows a week", words, {"data": data, "layout": layout}, True)
