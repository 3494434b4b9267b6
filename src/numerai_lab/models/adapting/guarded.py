"""A fitted adaptation at the strength that its guard chose, as a model keeps and uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.adapting.choices import STRENGTHS, Decision
from numerai_lab.models.adapting.history import GainHistory
from numerai_lab.models.adapting.protocol import Adaptation, Adapted, State
from numerai_lab.models.adapting.trials import MIN_ERAS, Trial, change_gains
from numerai_lab.models.contract import Detailed
from numerai_lab.seeds import child_seed

_KNOWN_STATES = 32
"""States of eras with known labels that the control of an era predicted alone draws from."""


A = TypeVar("A", bound=Adaptation)


class Guarded(Generic[A]):
    """Predicts f + a change(era), a the strength; exactly f at strength 0 or without adaptation.

    What f predicts is given to every method as `unadapted`, float32 [n_rows].

    Parameters
    ----------
    name : of the model, for its random draws. f : what f is called in remarks ("trees").
    seed, target, purge_eras : as in `FitContext`.
    window_eras : the strength is chosen anew before each prediction, from the gains of so many
        last eras with known labels; None: it stays what the guard decided.
    """

    def __init__(
        self,
        name: str,
        f: str,
        seed: int,
        target: str,
        purge_eras: int,
        window_eras: int | None = None,
    ) -> None:
        self._name, self._f, self._seed, self._target = name, f, seed, target
        self._purge_eras, self._window_eras = purge_eras, window_eras
        self._decided = 0.0
        self._history = GainHistory()
        self._known_states: list[State] = []
        self.adaptation: A | None = None

    @property
    def online(self) -> bool:
        """Whether labels that become known change later predictions."""
        if self.adaptation is None:
            return False
        return self.adaptation.online or self._window_eras is not None

    @property
    def strength(self) -> float:
        """The strength of now."""
        if self.adaptation is None or self._window_eras is None:
            return self._decided
        return self._history.strength(self._window_eras, self._purge_eras)

    def begin(self, adaptation: A, decision: Decision, trials: Sequence[Trial]) -> Decision:
        """Take an adaptation that was fitted on all training eras.

        Returns the decision, with the strength of now if later labels change it: its history
        begins with the gains of the trials.
        """
        self.adaptation, self._decided = adaptation, decision.strength
        if self._window_eras is None:
            return decision
        self._history.add_trials(trials, decision.weight)
        now = self.strength
        why = f"strength chosen anew on eras whose labels are known; at first {now:g}"
        return replace(decision, strength=now, reason=why)

    def predict(self, frame: EraFrame, unadapted: Float32) -> Float32:
        """Predict float32 [n_rows]; an era depends on its own rows only (and on `observe`)."""
        strength = np.float32(self.strength)
        if strength == 0:
            return unadapted
        predictions = unadapted.copy()
        for _, rows, adapted in self.adapted(frame, unadapted):
            if isinstance(adapted, Adapted):
                predictions[rows] += strength * adapted.change
        return predictions

    def adapted(
        self, frame: EraFrame, unadapted: Float32
    ) -> Iterator[tuple[int, slice, Adapted | str]]:
        """Adapt to each era; nothing where there is no adaptation.

        Yields
        ------
        The era's number, its rows, and what adapting to it gave, or why it stays unadapted.
        """
        if self.adaptation is not None:
            for number, rows in frame.iter_eras():
                adapted = self.adaptation.adapt(number, frame.features[rows], unadapted[rows])
                yield number, rows, adapted

    def predict_apart(
        self, frame: EraFrame, unadapted: Float32
    ) -> tuple[Detailed, list[State | None]]:
        """Predict as `predict`, with facts and remarks of every era, and without variants.

        Also returns the state that each era was adapted by, None where it was not.
        """
        predictions, strength = unadapted.copy(), self.strength
        facts: list[dict[str, float]] = []
        remarks: list[str | None] = []
        states: list[State | None] = []
        for _, rows, adapted in self.adapted(frame, unadapted):
            if isinstance(adapted, str):
                facts.append({"strength": 0.0})
                remarks.append(f"predicted by the unadapted {self._f}: {adapted}")
                states.append(None)
                continue
            predictions[rows] += np.float32(strength) * adapted.change
            facts.append({"seconds": adapted.seconds, "strength": strength, **adapted.facts})
            remarks.append(adapted.remark)
            states.append(adapted.state)
        names = dict.fromkeys(name for told in facts for name in told)
        per_era = {name: [told.get(name) for told in facts] for name in names}
        return Detailed(predictions, {}, per_era, remarks), states or [None] * frame.n_eras

    def draw_others(self, first_era: int, states: Sequence[State | None]) -> list[State | None]:
        """Draw for each era that has a state the one of another era, for the control.

        An era that is alone is given that of one of the last eras whose labels are known, or of a
        training era. `first_era` is the first of those that have `states`.
        """
        rng = np.random.default_rng(child_seed(self._seed, self._name, "shuffled", first_era))
        own = [state for state in states if state is not None]
        drawn = [own[i] for i in rng.permutation(len(own))] if len(own) > 1 else []
        if len(own) == 1 and self.adaptation is not None:
            enough = len(self._known_states) >= MIN_ERAS
            pool = self._known_states if enough else self.adaptation.states
            # no other era could be read: nothing is known of any, as in an era without a state
            drawn = [pool[int(rng.integers(len(pool)))] if pool else np.zeros_like(own[0])]
        others = iter(drawn)
        return [None if state is None else next(others) for state in states]

    def predict_control(
        self, frame: EraFrame, unadapted: Float32, others: Sequence[State | None]
    ) -> Float32:
        """Predict with the states of other eras, and f alone where there is none."""
        predictions, strength = unadapted.copy(), np.float32(self.strength)
        for (number, rows), other in zip(frame.iter_eras(), others, strict=True):
            if self.adaptation is not None and other is not None:
                features = frame.features[rows]
                change = self.adaptation.change(number, features, unadapted[rows], other)
                predictions[rows] += strength * change
        return predictions

    def observe(self, resolved: EraFrame, unadapted: Float32) -> None:
        """Take note of eras whose labels have become known, in order of time."""
        if self.adaptation is None or not self.online:
            return
        labels = resolved.target(self._target)
        for number, rows, adapted in self.adapted(resolved, unadapted):
            if isinstance(adapted, Adapted):
                self._known_states = [*self._known_states, adapted.state][-_KNOWN_STATES:]
            if self._window_eras is not None:
                gains = np.zeros(len(STRENGTHS))
                if isinstance(adapted, Adapted):
                    gains = change_gains(adapted.change, unadapted[rows], labels[rows], STRENGTHS)
                self._history.eras.append(number)
                self._history.gains.append(gains.tolist())
            self.adaptation.observe(number, resolved.features[rows], unadapted[rows], labels[rows])

    def save(self, folder: Path) -> dict[str, Any]:
        """Write into the model's folder, and return the facts that go into its meta.json."""
        if self.adaptation is not None:
            (folder / "adaptation").mkdir()
            self.adaptation.save(folder / "adaptation")
            np.savez(folder / "known_states.npz", *self._known_states)
        return {
            "strength": self._decided,
            "seed": self._seed,
            "target": self._target,
            "purge_eras": self._purge_eras,
            "gain_eras": self._history.eras,
            "gains": self._history.gains,
        }

    def restore(self, folder: Path, facts: Mapping[str, Any], load: Callable[[Path], A]) -> None:
        """Take back what `save` wrote; `load` reads what the adaptation wrote into its folder."""
        self._decided = facts["strength"]
        self._history = GainHistory(facts["gain_eras"], facts["gains"])
        if (folder / "adaptation").exists():
            self.adaptation = load(folder / "adaptation")
            with np.load(folder / "known_states.npz") as states:
                self._known_states = [states[name] for name in states.files]
