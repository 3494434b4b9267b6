"""Several guarded adaptations of one model, of which one predicts and the others are watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.adapting.compared import Gain, describe
from numerai_lab.models.adapting.guarded import Guarded
from numerai_lab.models.adapting.protocol import Adaptation
from numerai_lab.seeds import child_seed

A = TypeVar("A", bound=Adaptation)


class Rivals(Generic[A]):
    """Chooses the adaptation that predicts by what all of them gained in eras with known labels.

    Each has a guard, and so a strength, of its own. Where none was chosen before, the one with the
    highest lower end of its gain is taken, and the first where none has a strength above 0. Later
    another one takes its place only where it surely gains more: the interval of the difference, at
    the strength of each and on the eras that both know, lies above 0. So the choice does not
    flicker.

    Parameters
    ----------
    all_ : by name; the first is the default.
    seed : of the bootstrap. purge_eras : as in `FitContext`.
    """

    def __init__(self, all_: Mapping[str, Guarded[A]], seed: int, purge_eras: int) -> None:
        self.all = dict(all_)
        self._seed, self._purge_eras = seed, purge_eras
        self.name = self.begun = next(iter(self.all))
        """The one that predicts, and the one that did at the end of the fit."""

    @property
    def chosen(self) -> Guarded[A]:
        """The one that predicts."""
        return self.all[self.name]

    @property
    def others(self) -> dict[str, Guarded[A]]:
        """The ones that are watched."""
        return {name: one for name, one in self.all.items() if name != self.name}

    @property
    def online(self) -> bool:
        """Whether labels that become known change later predictions."""
        return self.chosen.online

    def choose(self, before: str | None) -> None:
        """Choose at the end of a fit; `before` is what was chosen last, None for nothing."""
        self._choose(before)
        self.begun = self.name

    def _choose(self, before: str | None) -> None:
        on = {name: self.gain(name) for name, one in self.all.items() if one.strength > 0}
        ranked = sorted(on, key=lambda name: -on[name].lower_end)
        if before is None or before not in self.all:
            self.name = ranked[0] if ranked else next(iter(self.all))
            return
        better = (name for name in ranked if name != before and self._over(name, before) > 0)
        self.name = next(better, before)

    def gain(self, name: str) -> Gain:
        """Return what one gained at its strength in eras whose labels are known."""
        one = self.all[name]
        return describe(*one.history.at(one.strength), self._purge_eras, self._random_seed)

    def _over(self, name: str, other: str) -> float:
        """Return the lower end of what one gains more than another, on the eras both know."""
        (mine, gains), (theirs, lost) = (
            one.history.at(one.strength) for one in (self.all[name], self.all[other])
        )
        eras, i, j = np.intersect1d(mine, theirs, return_indices=True)
        difference = gains[i] - lost[j]
        return describe(eras, difference, self._purge_eras, self._random_seed).lower_end

    @property
    def _random_seed(self) -> int:
        return child_seed(self._seed, "rivals")

    def watch(self, frame: EraFrame, unadapted: Float32) -> None:
        """Note what those that do not predict would change, to know later what that gained."""
        for one in self.others.values():
            if one.watched:
                one.predict_apart(frame, unadapted)

    def observe(self, resolved: EraFrame, unadapted: Float32) -> None:
        """Take note of eras whose labels have become known; choose anew where one decided anew."""
        if len(self.all) == 1:
            self.chosen.observe(resolved, unadapted)
            return
        for number, rows in resolved.iter_eras():
            era = resolved.between(number, number)
            before = [one.decision for one in self.all.values()]
            for one in self.all.values():
                one.observe(era, unadapted[rows])
            if any(one.decision is not b for one, b in zip(self.all.values(), before, strict=True)):
                self._choose(self.name)

    def replay(self, rows: EraFrame, unadapted: Float32) -> None:
        """Go through labelled eras after the fit as a live model would have, each by itself."""
        decisions = [one.decision for one in self.all.values()]
        for one in self.all.values():
            one.replay(rows, unadapted)
        if any(one.decision is not b for one, b in zip(self.all.values(), decisions, strict=True)):
            self._choose(self.name)

    def go_on(self, rows: EraFrame, unadapted: Float32) -> None:
        """Learn from labelled eras after the fit, before f itself does; choose anew by them."""
        for one in self.all.values():
            one.go_on(rows, unadapted)
        if len(self.all) > 1:
            self.choose(self.name)

    def told(self) -> dict[str, dict[str, Any]]:
        """Return strength, gain and reason of each, ready for JSON."""
        return {
            name: {
                "strength": one.strength,
                "gain": str(self.gain(name)),
                "reason": one.decision.reason,
            }
            for name, one in self.all.items()
        }

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the chosen one into the model's folder and the others below it; return the facts.

        They are those of the chosen one, with its name and those of the others under `rivals`.
        """
        facts = self.chosen.save(folder)
        if len(self.all) > 1:
            others: dict[str, Any] = {}
            for name, one in self.others.items():
                (folder / "rivals" / name).mkdir(parents=True)
                others[name] = one.save(folder / "rivals" / name)
            facts["rivals"] = {"chosen": self.name, "order": [*self.all], "others": others}
        return facts

    def restore(
        self, folder: Path, facts: Mapping[str, Any], load: Callable[[str, Path], A]
    ) -> None:
        """Take back what `save` wrote; `load` reads an adaptation of a name from its folder."""
        for name, own, place in self._parts(folder, facts):
            self.all[name].restore(place, own, partial(load, name))

    def _parts(
        self, folder: Path, facts: Mapping[str, Any]
    ) -> Iterator[tuple[str, Mapping[str, Any], Path]]:
        kept = facts.get("rivals")
        if kept is None:
            yield self.name, facts, folder
            return
        self.all = {name: self.all[name] for name in kept["order"]}
        self.name = self.begun = kept["chosen"]
        yield self.name, facts, folder
        for name, own in kept["others"].items():
            yield name, own, folder / "rivals" / name
