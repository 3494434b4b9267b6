"""data.html: what `data describe` found, and the same for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numerai_lab.files import write_text
from numerai_lab.report.figures import count, number, percent
from numerai_lab.report.markup import Html, breakable, code, document, facts, h, table
from numerai_lab.report.plots import asset

Facts = Mapping[str, Any]
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_TOP = 20


def data_lines(found: Facts) -> list[str]:
    """Return what was found, a line each, for the terminal."""
    sets = found["sets"]
    lines = [
        f"{count(sets['n_features'])} features in {len(sets['sets'])} sets: "
        + ", ".join(f"{name} {one['n']:,}" for name, one in sets["sets"].items())
    ]
    lines += [f"the same features: {', '.join(names)}" for names in sets["same"]]
    if sets["in_no_group"]:
        lines.append(f"{count(sets['in_no_group'])} features are in no group")
    if "features" not in found:
        return [*lines, f"{len(found['target_names'])} targets are named"]
    features, corr = found["features"], found["features"]["correlation"]
    missing, drift = features["missing"], found["features"]["drift"]
    lines += [
        f"eras {features['eras'][0]}-{features['eras'][1]}, {count(features['rows'])} rows, "
        f"{features['rows_per_era'][0]:,} to {features['rows_per_era'][1]:,} an era",
        f"missing: {percent(missing['share'], 2)} of values"
        + (
            ""
            if missing["all_two_feature_eras"] is None
            else f"; {count(missing['all_two_feature_eras'])} times a feature is 2 in a whole era"
        ),
        f"within eras: mean |corr| {number(corr['mean_abs'], 3)}, "
        f"{count(corr['pairs_above_0.95'])} pairs above .95, "
        f"{number(corr['effective_directions'], 1)} effective directions",
        f"drift, eras {drift['first'][0]}-{drift['first'][1]} to {drift['last'][0]}-"
        f"{drift['last'][1]}: mean psi {number(drift['mean_psi'], 4)}, correlations moved by "
        f"{number(drift['mean_correlation_moved'], 3)}",
        _training_sentence(found),
    ]
    lines += [
        f"  {one['feature']}: corr {number(one['mean'], signed=True)}, the same sign in "
        f"{percent(one['same_sign'])} of eras"
        for one in found["signal"][:5]
    ]
    return lines


def _training_sentence(found: Facts) -> str:
    told = found["training"]
    return (
        f"corr with {found['target']} on eras {told['first']}-{told['last']} alone, before era "
        f"{told['first_judged']}, the first that is judged"
    )


def write_data_page(found: Facts, path: Path) -> None:
    """Write the page, one file that asks the network for nothing.

    Raises
    ------
    MachineError : it cannot be written; an earlier page stays as it was.
    """
    title = f"data: {Path(found['what']).name or found['what']}"
    parts = [_sets(found["sets"])]
    if "features" in found:
        parts += [_features(found), _signal(found), _targets(found)]
    else:
        names = found["target_names"]
        parts.append(h("section", h("h2", "Targets"), h("p", ", ".join(names) or "none")))
    header = h("header", h("h1", breakable(title)), h("p", breakable(found["what"])))
    body = (header, h("main", *parts))
    write_text(path, document(title, asset("page.css"), POLICY, *body))


def _sets(sets: Facts) -> Html:
    names = list(sets["sets"])
    sizes = [(name, count(one["n"]), count(one["alone"])) for name, one in sets["sets"].items()]
    shares = [
        (name, *(percent(share) if share else "" for share in row))
        for name, row in zip(names, sets["shares"], strict=True)
    ]
    same = [h("p", f"The same features: {', '.join(one)}.") for one in sets["same"]]
    return h(
        "section",
        h("h2", "Sets of features"),
        h("p", f"{count(sets['n_features'])} features; {count(sets['in_no_group'])} in no group."),
        *same,
        table("Size, and how many are in no other group", ("set", "features", "alone"), sizes),
        table("Share of the row's set that is in the column's", ("set", *names), shares),
    )


def _features(found: Facts) -> Html:
    told = found["features"]
    missing, corr, drift = told["missing"], told["correlation"], told["drift"]
    pairs = [
        (breakable(one["a"]), breakable(one["b"]), number(one["corr"], 3))
        for one in corr["pairs"][:_TOP]
    ]
    psi = [(one["feature"], number(one["psi"], 4)) for one in drift["psi"][:_TOP]]
    moved = [
        (one["feature"], number(one["mean_abs_change"], 3))
        for one in drift["correlation_moved"][:_TOP]
    ]
    gaps = [(one["feature"], percent(one["share"], 2)) for one in missing["features"][:_TOP]]
    twos = missing["all_two_feature_eras"]
    early, late = drift["first"], drift["last"]
    between = f"eras {early[0]}-{early[1]} to {late[0]}-{late[1]}"
    return h(
        "section",
        h("h2", "Features"),
        facts(
            [
                ("eras", f"{told['eras'][0]}-{told['eras'][1]} ({count(told['n_eras'])})"),
                ("looked at", f"{count(told['n_eras_looked_at'])} of them, evenly"),
                ("rows", count(told["rows"])),
                ("features", f"{count(told['n_features'])}, {told['dtype']}"),
                ("missing", percent(missing["share"], 2)),
                ("2 in a whole era", "not asked" if twos is None else f"{count(twos)} times"),
                ("mean |corr| within eras", number(corr["mean_abs"], 3)),
                ("pairs above .95", count(corr["pairs_above_0.95"])),
                ("effective directions", number(corr["effective_directions"], 1)),
                ("first component", percent(corr["first_component"], 1)),
            ]
        ),
        table("Most missing", ("feature", "share"), gaps) if gaps else "",
        table("Closest pairs within eras", ("feature", "other", "corr"), pairs, text_columns=2),
        table(f"Shares of bins moved most, {between}", ("feature", "psi"), psi),
        table(f"Correlations moved most, {between}", ("feature", "mean change"), moved),
        h("p", "psi: sum over bins of (p - q) ln(p / q); above .25 is called a shift."),
    )


def _signal(found: Facts) -> Html:
    rows = [
        (
            one["feature"],
            number(one["mean"], signed=True),
            number(one["std"]),
            percent(one["same_sign"]),
            number(one["first_half"], signed=True),
            number(one["second_half"], signed=True),
        )
        for one in found["signal"][: 2 * _TOP]
    ]
    heads = ("feature", "corr", "deviation", "same sign", "first half", "second half")
    return h(
        "section",
        h("h2", "What features say"),
        h("p", _training_sentence(found) + "."),
        table(f"Top {len(rows)} of {len(found['signal'])} features", heads, rows),
    )


def _targets(found: Facts) -> Html:
    rows = [
        (
            code(name),
            count(one["horizon_days"]),
            count(one["overlap_eras"]),
            percent(one["missing"], 2),
            count(one["values"]),
        )
        for name, one in found["targets"].items()
    ]
    names = list(found["targets"])
    corr = [
        (name, *(number(value, 2) for value in row))
        for name, row in zip(names, found["correlation"], strict=True)
    ]
    heads = ("target", "days ahead", "eras its label reaches", "missing", "values")
    return h(
        "section",
        h("h2", "Targets"),
        table("Over the training eras", heads, rows),
        table("Correlation", ("target", *names), corr),
    )
