"""Strength by age: a model's distance from its training eras, in eras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from numerai_lab.models.adapting.choices import Pair
from numerai_lab.models.adapting.compared import Compared, Gain

AGES = (26, 52, 78, 104, 156, 208, 312)
"""Last ages of the spans in which gains are looked at apart, in eras."""
_FEWEST_ERAS = 8
"""Fewer eras of an age tell nothing about it."""


@dataclass(frozen=True)
class AgeSpan:
    """The strength at some ages.

    Attributes
    ----------
    first, last : ages, the distance of an era from the last one that the model learnt from.
    n_eras : eras of these ages in the trials. gain : of the strength chosen for all ages there.
    """

    first: int
    last: int
    strength: float
    n_eras: int
    gain: Gain

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)


def by_age(compared: Compared, pair: Pair) -> list[AgeSpan]:
    """Let the strength of a pair fall with the age of the model.

    From the youngest age on a span keeps the strength of the one before while its mean gain lies
    more than one standard error above 0; it takes the next lower one while the mean is above 0, and
    0 where it is not, or where fewer than 8 eras tell. A strength never rises again with age, and
    beyond the oldest age seen it is 0. Youngest ages at which fewer than 8 eras were changed at all
    belong to the span after them.
    """
    eras, gains, ages = compared.differences(pair)
    strength, first = pair[1], 1
    spans: list[AgeSpan] = []
    for last in AGES:
        of = (ages >= first) & (ages <= last)
        if not of.any():
            if np.any(ages > last) and not spans:
                continue  # the youngest ages are never judged: the purge lies there
            break
        told = np.count_nonzero(gains[of]) >= _FEWEST_ERAS
        if not spans and not told and np.any(ages > last):
            continue  # what learns after the fit has not changed anything at its youngest ages
        gain = compared.of(eras[of], gains[of])
        n_eras = int(np.count_nonzero(of))
        if n_eras < _FEWEST_ERAS or (gain.mean or 0.0) <= 0:
            strength = 0.0
        elif not _by_one_error(gain):
            strength = max((a for a in compared.choices.strengths if a < strength), default=0.0)
        spans.append(AgeSpan(first, last, strength, n_eras, gain))
        first = last + 1
    return spans


def strength_at(spans: Sequence[dict[str, Any]], age: int) -> float:
    """Return the strength at an age, from spans as `AgeSpan.as_dict` gives them; 0 beyond them."""
    for span in spans:
        if age <= span["last"]:
            return float(span["strength"])
    return 0.0


def _by_one_error(gain: Gain) -> bool:
    """Whether the mean lies more than one standard error above 0, as its interval tells."""
    if gain.mean is None or gain.low is None or gain.high is None:
        return False
    return gain.mean > (gain.high - gain.low) / (2 * 1.96)
