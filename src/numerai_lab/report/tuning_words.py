"""What a study found, in words and figures, for its page and for the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from numerai_lab.report.figures import ABSENT, eras, interval, number, percent

Facts = Mapping[str, Any]
"""What result.json of a study holds."""
_SCORES = {
    "mean": "mean {}",
    "sharpe_hac": "sharpe of {}, corrected for overlap",
    "ci_low": "lower end of the 95 % interval of mean {}",
}
_VERDICTS = {
    "better": "the tuned values are better",
    "worse": "the tuned values are worse",
    "better_so_far": "the tuned values are better, but not in every third of the eras",
    "worse_so_far": "the tuned values are worse, but not in every third of the eras",
    "identical": "both predict the same",
    "unclear": "no difference is proven",
    "unknown": "there is no interval",
}


def aim(facts: Facts) -> str:
    """Say what each era was scored by."""
    written = str(facts.get("aim", "corr"))  # results of a version that knew corr alone
    return "corr and mmc as paid" if written == "payout" else written


def score(facts: Facts) -> str:
    """Say what trials were compared by."""
    return _SCORES[facts["score"]].format(aim(facts))


def short(name: str) -> str:
    """Write a parameter without the section that most are in."""
    return name.removeprefix("model.params.")


def value(what: Any) -> str:
    """Write a value as in YAML; a value that is not written at all is absent."""
    return ABSENT if what is None else what if isinstance(what, str) else json.dumps(what)


def space(written: Mapping[str, Any]) -> str:
    """Write what was searched: `3 to 8`, `0.01 to 0.3, log`, `gbtree, dart`."""
    if "choice" in written:
        return ", ".join(value(one) for one in written["choice"])
    more = ", log" if written.get("log") else ""
    step = f", steps of {written['step']}" if written.get("step") else ""
    return f"{written['low']} to {written['high']}{more}{step}"


def trials_of(facts: Facts) -> str:
    """Say how many trials there were, and what became of them."""
    n = facts["n_trials"]
    parts = [f"{n[state]} {state}" for state in ("pruned", "failed", "crashed") if n[state]]
    judged = f"{n['complete']} judged on all inner folds"
    return ", ".join([judged, *parts])


def luck(facts: Facts) -> list[str]:
    """Say what luck explains of the best trial."""
    told = facts["luck"]
    if told is None:
        return ["One trial was judged on all inner folds: there is nothing to have chosen among."]
    said = [
        f"The best of the {told['n_trials']} trials that were judged on all inner folds has a mean "
        f"{aim(facts)} {number(told['lead'], signed=True)} above the mean of them all. If all were "
        f"equally good, the best of as many would lead by {number(told['by_luck'])} by luck alone, "
        f"and by more than {number(told['by_luck_95'])} in 5 of 100 cases; a lead as large as this "
        f"one has a probability of {number(told['p'], 3)}."
    ]
    if told["p"] > 0.05:
        said.append("So the lead may well be luck: the trials do not differ provably.")
    if told.get("deflated_sharpe") is not None:
        said.append(
            f"Deflated Sharpe ratio {number(told['deflated_sharpe'], 3)}: the probability that the "
            f"best trial's Sharpe of {number(told['sharpe'], 2)} per era is above the "
            f"{number(told['sharpe_by_luck'], 2)} that the best of {told['n_judged']} trials "
            f"without any skill would show, where labels overlap so far that "
            f"{number(told['n_effective'], 0)} eras count."
        )
    return said


def after(facts: Facts) -> list[str]:
    """Say how tuned and default compare on the eras after those of the study."""
    told = facts["after"]
    if told is None:
        return ["There are no eras after those of the study, less the purge."]
    pair = told["paired"]
    said = [
        f"Both were fitted on eras up to {told['train_last']} and judged on "
        f"{eras(told['first_era'], told['last_era'])}, which the study never saw: tuned minus "
        f"default {number(pair['mean_difference'], signed=True)} {aim(facts)}, 95 % interval "
        f"{interval(pair['ci_low'], pair['ci_high'])}; {_VERDICTS[pair['verdict']]}."
    ]
    if pair["smallest_detectable"] is not None and pair["verdict"] == "unclear":
        said.append(
            f"So many eras can tell a difference of {number(pair['smallest_detectable'])} from 0."
        )
    said.append("Choosing again by this comparison makes these eras part of the tuning.")
    return said


def share(importance: float | None) -> str:
    """Write a parameter's importance."""
    return ABSENT if importance is None else percent(importance)
