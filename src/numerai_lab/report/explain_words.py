"""An explanation in words and rows that page, report and terminal share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numerai_lab.report.figures import ABSENT, count, eras, number, percent

Facts = Mapping[str, Any]
HOW = {
    "contributions": "contributions of the model's own library",
    "sampling": "sampled Shapley values",
    "permutation": "shuffling within eras only",
}


def model_of(fold: int) -> str:
    """Name the model that was explained, by the number of its fold; 0 is the final one."""
    return f"Fold {fold}" if fold else "Final model"


def rows_of(facts: Facts) -> str:
    """Say which rows a model was explained on."""
    judged = facts["judged"]
    if facts["fold"]:
        return f"judged eras {eras(judged['first'], judged['last'])}"
    return "live rows" if judged["n_eras"] == 1 else f"live rows of {judged['n_eras']} eras"


def headline(facts: Facts) -> str:
    """Say what was explained."""
    whose = model_of(facts["fold"]).lower()
    said = (
        f"{facts['experiment']}, {facts['model']}, {whose}: {HOW[facts['how']]}, {rows_of(facts)}"
    )
    told = facts.get("explained")
    if told is None:
        return said
    rows = f"{count(told['rows'])} of {count(told['of'])} rows"
    return f"{said}, {rows} in {count(told['eras'])} eras"


def largest(facts: Facts, most: int) -> list[Facts]:
    """Return the features with the largest contributions, without those that add nothing."""
    return [one for one in facts["features"][:most] if one["size"]]


def direction(feature: Facts) -> str:
    """Say in which direction a feature moves predictions, and how steadily."""
    mean, same = feature.get("direction"), feature.get("same_sign")
    if mean is None or same is None:
        return ABSENT
    if not feature.get("stable"):
        return "not stable"
    return "up" if mean > 0 else "down"


def expected_sentences(facts: Facts) -> list[str]:
    """Say how often each expectation was violated."""
    said = []
    for one in facts.get("expected", ()):
        against, n = one["violated"], one["eras"]
        sentence = f"{one['feature']}, expected {'up' if one['sign'] > 0 else 'down'}: "
        if n == 0:
            said.append(f"{sentence}constant in every era, so nothing can be said")
        elif not against:
            said.append(f"{sentence}so in all {n} eras")
        else:
            shown = ", ".join(map(str, against[:20])) + (" ..." if len(against) > 20 else "")
            said.append(f"{sentence}violated in {len(against)} of {n} eras ({shown})")
    return said


def era_sentence(one: Facts) -> str:
    """Say what an era scored, and how the parts sum."""
    rows = one["rows"]
    return (
        f"Era {one['era']}: corr {number(one['corr'])}; of {count(rows['explained'])} of "
        f"{count(rows['of'])} rows the raw output correlates {number(one['pearson'])} with the "
        "target (Pearson), which is the sum of what the features earned"
    )


def row_sentence(one: Facts) -> str:
    """Say what was predicted for a row, and from where contributions lead to it."""
    said = (
        f"{one['id']}, era {one['era']}: prediction {number(one['prediction'])}, target "
        f"{number(one['target'], 2)}; "
    )
    if one["base"] is not None:
        said += f"raw output {number(one['raw'])} from {number(one['base'])} where no feature says "
        said += "anything"
    else:  # a blend, whose own units say nothing
        added = sum(feature["contribution"] for feature in one["features"])
        said += f"features add {number(added, signed=True)} in all, in the standard deviations of "
        said += "the members' outputs by weight"
    if one["lime"] is not None:
        said += f"; LIME's linear fit explains {percent(one['lime']['fit'])} of its neighbours"
    for name, value in one["beside"].items():
        said += f"; {name} {number(value, signed=True)}"
    return said
