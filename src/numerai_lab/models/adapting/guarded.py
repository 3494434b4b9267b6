"""A fitted adaptation at the strength that its guard chose, as a model keeps and uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.models.adapting.ageing import strength_at
from numerai_lab.models.adapting.choices import STRENGTHS, Choices, Decision
from numerai_lab.models.adapting.guard import decide
from numerai_lab.models.adapting.history import GainHistory
from numerai_lab.models.adapting.protocol import (
    Adaptation,
    Adapted,
    LearningAdaptation,
    State,
    change_by_other,
    fading,
)
from numerai_lab.models.adapting.trials import Trial, change_gains
from numerai_lab.models.contract import Detailed
from numerai_lab.seeds import child_seed

_AWAITING = 64
"""Predicted eras whose changes are kept until their labels are known, at most."""

A = TypeVar("A", bound=Adaptation)


class Guarded(Generic[A]):
    """Predicts f + a change(era), a the strength; exactly f at strength 0 or without adaptation.

    The strength depends on the age of the model, the distance of an era from the last one that f
    has learnt from (`Decision.by_age`); the change fades where the era's code has no support.
    What f predicts is given to every method as `unadapted`, float32 [n_rows].

    Parameters
    ----------
    name : of the model, for its random draws. f : what f is called in remarks ("trees").
    seed, target, purge_eras : as in `FitContext`.
    refit_eras : after so many more eras with known labels the strength is decided anew, from the
        trials and everything that was predicted since; None: it stays what the guard decided.
    """

    def __init__(
        self,
        name: str,
        f: str,
        seed: int,
        target: str,
        purge_eras: int,
        refit_eras: int | None = None,
    ) -> None:
        self._name, self._f, self._seed, self._target = name, f, seed, target
        self._purge_eras, self._refit_eras = purge_eras, refit_eras
        self._trained_to: int | None = None
        self.decision = Decision(0.0, 0.0, "not fitted")
        self.history = GainHistory()
        self._since = 0
        self._awaiting: dict[int, tuple[Float32, Float32, Float32 | None]] = {}
        """Of eras predicted what strength 1 would have changed, f's predictions, and the control's
        change, if there is one."""
        self._replaying = False
        self.adaptation: A | None = None

    @property
    def online(self) -> bool:
        """Whether labels that become known change later predictions."""
        if self.adaptation is None:
            return False
        return self._refit_eras is not None or (self.adaptation.online and self.strength > 0)

    @property
    def watched(self) -> bool:
        """Whether what it would change is noted, to know later what that gained."""
        return self._refit_eras is not None or self._replaying

    @property
    def strength(self) -> float:
        """The strength of now, of a model as young as it can be when it predicts."""
        return self.decision.strength

    @property
    def first_age(self) -> int:
        """The age of a model that predicts as soon as it is fitted."""
        return self._purge_eras + 1

    def strength_at(self, era: int) -> float:
        """Return the strength in an era; one that f has learnt from is as young as can be."""
        if self.adaptation is None:
            return 0.0
        if not self.decision.by_age or self._trained_to is None:
            return self.decision.strength
        return strength_at(self.decision.by_age, max(1, era - self._trained_to))

    def begin(
        self,
        adaptation: A,
        decision: Decision,
        trials: Sequence[Trial],
        trained_to: int | None = None,
    ) -> Decision:
        """Take an adaptation that was fitted on all training eras, and what its guard decided.

        `trials` are what it decided on; `trained_to` is the last era that f has learnt from, None
        where the strength is not to depend on age.
        """
        self.adaptation, self.decision, self._trained_to = adaptation, decision, trained_to
        told = [trial for trial in trials if (decision.weight, STRENGTHS[-1]) in trial.gains]
        self.history = GainHistory.of_trials(told, decision.weight)
        self._since, self._awaiting = 0, {}
        return decision

    def predict(self, frame: EraFrame, unadapted: Float32) -> Float32:
        """Predict float32 [n_rows]; an era depends on its own rows only (and on `observe`)."""
        return self.predict_apart(frame, unadapted)[0].predictions

    def adapted(
        self, frame: EraFrame, unadapted: Float32
    ) -> Iterator[tuple[int, slice, Adapted | str]]:
        """Adapt to each era, the change faded where its code has no support.

        Yields
        ------
        The era's number, its rows, and what adapting to it gave, or why it stays unadapted;
        nothing at all where there is no adaptation.
        """
        if self.adaptation is not None:
            for number, rows in frame.iter_eras():
                yield number, rows, self._adapt(number, frame, rows, unadapted[rows])

    def _adapt(
        self, number: int, frame: EraFrame, rows: slice, unadapted: Float32
    ) -> Adapted | str:
        assert self.adaptation is not None
        adapted = self.adaptation.adapt(number, frame.features[rows], unadapted)
        if isinstance(adapted, str):
            return adapted
        fade = fading(self.adaptation, adapted.code)
        facts = dict(adapted.facts) if adapted.code is None else {**adapted.facts, "support": fade}
        control = None if adapted.control is None else np.float32(fade) * adapted.control
        change = np.float32(fade) * adapted.change
        return replace(adapted, change=change, control=control, facts=facts)

    def support_of(
        self, frame: EraFrame, predict: Callable[[EraFrame], Float32]
    ) -> dict[str, float] | None:
        """Return how far the code of the first era of a frame lies from those of training eras.

        Parameters
        ----------
        predict : by f.

        Returns
        -------
        `distance`, the `limit` up to which codes are usual, and `factor`, by which its change is
        multiplied; None where there is nothing that reads eras, or this one cannot be read.
        """
        support = getattr(self.adaptation, "support", None)
        if support is None:
            return None
        first = frame.between(int(frame.eras[0]), int(frame.eras[0]))
        for _, _, adapted in self.adapted(first, predict(first)):
            if not isinstance(adapted, str) and adapted.code is not None:
                distance, factor = support.distance(adapted.code), support.factor(adapted.code)
                return {"distance": distance, "limit": support.limit, "factor": factor}
        return None

    def predict_apart(
        self, frame: EraFrame, unadapted: Float32
    ) -> tuple[Detailed, list[State | None]]:
        """Predict as `predict`, with facts and remarks of every era, and without variants.

        Also returns the state that each era was adapted by, None where it was not.
        """
        predictions = unadapted.copy()
        facts: list[dict[str, float]] = []
        remarks: list[str | None] = []
        states: list[State | None] = []
        watched = self.watched
        if self.adaptation is None or not (self.strength > 0 or watched):
            return Detailed(predictions, {}, {}, []), [None] * frame.n_eras
        for number, rows in frame.iter_eras():
            strength = self.strength_at(number)
            adapted: Adapted | str = "it is older than what the guard is sure of"
            if self.strength == 0:
                adapted = "its adaptation is off"
            if strength > 0 or watched:
                found = self._adapt(number, frame, rows, unadapted[rows])
                if isinstance(found, Adapted) and watched:
                    self._await(number, found, unadapted[rows])
                adapted = found if strength > 0 else adapted
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
        return Detailed(predictions, {}, per_era, remarks), states

    def draw_others(self, first_era: int, states: Sequence[State | None]) -> list[State | None]:
        """Draw for each era that has a state the one of another era, for the control.

        Drawn are the other eras of `states` and all training eras whose states are kept: among the
        former alone, a state that lasts for as long as they do would be drawn for itself.
        `first_era` is the first of those that have `states`.
        """
        rng = np.random.default_rng(child_seed(self._seed, self._name, "shuffled", first_era))
        own = [state for state in states if state is not None]
        trained = [] if self.adaptation is None else [*self.adaptation.states]
        drawn: list[State | None] = []
        place = -1
        for state in states:
            if state is None:
                drawn.append(None)
                continue
            place += 1
            pool = len(own) - 1 + len(trained)
            # no other era could be read: nothing is known of any, as in an era without a state
            if pool == 0:
                drawn.append(np.zeros_like(state))
                continue
            chosen = int(rng.integers(pool))
            others = own[:place] + own[place + 1 :]
            drawn.append(others[chosen] if chosen < len(others) else trained[chosen - len(others)])
        return drawn

    def predict_control(
        self, frame: EraFrame, unadapted: Float32, others: Sequence[State | None]
    ) -> Float32:
        """Predict with the states of other eras, and f alone where there is none.

        Strength and fading are those of the era itself, so that the state alone is another's.
        """
        predictions = unadapted.copy()
        for (number, rows), other in zip(frame.iter_eras(), others, strict=True):
            strength = np.float32(self.strength_at(number))
            if self.adaptation is not None and other is not None and strength > 0:
                change, fade = change_by_other(
                    self.adaptation, number, frame.features[rows], unadapted[rows], other
                )
                predictions[rows] += strength * np.float32(fade) * change
        return predictions

    def observe(self, resolved: EraFrame, unadapted: Float32) -> None:
        """Take note of eras whose labels have become known, in order of time.

        What an era gained is measured by the change that was predicted for it, before its label
        or one that overlaps with it could have taught the adaptation anything.
        """
        if self.adaptation is None or not (self.online or self._replaying):
            return
        labels = resolved.target(self._target)
        for number, rows in resolved.iter_eras():
            noted = self._awaiting.pop(number, None)
            known = self._trained_to is not None and number > self._trained_to + self._purge_eras
            # labels of nearer eras overlap with those that f has learnt
            if noted is not None and known:
                change, _, other = noted
                of_era = unadapted[rows], labels[rows], STRENGTHS
                control = None if other is None else change_gains(other, *of_era)
                gains = change_gains(change, *of_era)
                self.history.add(number, self._trained_to or 0, gains, control)
            self.adaptation.observe(number, resolved.features[rows], unadapted[rows], labels[rows])
            self._since += 1
            if self._refit_eras is not None and self._since >= self._refit_eras:
                self._since = 0
                self._decide_anew(recorded=False)  # many times a fold, and in no record

    def predicted(self, rows: EraFrame) -> Float32 | None:
        """Return what f predicted of eras that wait for their labels, None if one does not."""
        waiting = [self._awaiting.get(era) for era in rows.eras.tolist()]
        sizes = np.diff(rows.offsets)
        found = [one[1] for one, n in zip(waiting, sizes, strict=True) if one and len(one[1]) == n]
        return np.concatenate(found) if found and len(found) == rows.n_eras else None

    def replay(self, rows: EraFrame, unadapted: Float32) -> None:
        """Go through labelled eras after the fit as a live model would have: predict, then observe.

        Before an era is predicted those before it are observed whose labels were known by then.
        """
        self._replaying, seen = True, 0
        for number, own in rows.iter_eras():
            while seen < rows.n_eras and rows.eras[seen] < number - self._purge_eras:
                self._observe_one(rows, unadapted, seen)
                seen += 1
            era = rows.between(number, number)
            self.predict_apart(era.without_targets(), unadapted[own])
        for i in range(seen, rows.n_eras):
            self._observe_one(rows, unadapted, i)
        self._replaying = False

    def go_on(self, rows: EraFrame, unadapted: Float32) -> None:
        """Learn from labelled eras after the fit, as f is about to: once, and for good.

        They are gone through as by `replay`, and the strength is decided anew. From then on the
        model is as young as its newest era.
        """
        if self.adaptation is None:
            return
        self.replay(rows, unadapted)
        if isinstance(self.adaptation, LearningAdaptation):
            self.adaptation.learn(rows, unadapted, rows.target(self._target))
        self._since = 0
        self._awaiting = {}
        self._decide_anew(recorded=True)
        if self._trained_to is not None:
            self._trained_to = int(rows.eras[-1])

    def _observe_one(self, rows: EraFrame, unadapted: Float32, i: int) -> None:
        own = slice(int(rows.offsets[i]), int(rows.offsets[i + 1]))
        self.observe(rows.between(int(rows.eras[i]), int(rows.eras[i])), unadapted[own])

    def _await(self, number: int, adapted: Adapted, unadapted: Float32) -> None:
        self._awaiting[number] = adapted.change, unadapted, adapted.control
        while len(self._awaiting) > _AWAITING:
            self._awaiting.pop(next(iter(self._awaiting)))

    def _decide_anew(self, *, recorded: bool) -> None:
        weight = self.decision.weight
        if not self.decision.open:
            return
        choices = Choices((weight,), STRENGTHS, (weight, 0.0))
        trials = self.history.trials(weight)
        if trials:
            seed = child_seed(self._seed, self._name, "guard")
            before = self.decision.strength
            self.decision = decide(
                trials, choices, self._purge_eras, seed, before, recorded=recorded
            )

    def save(self, folder: Path) -> dict[str, Any]:
        """Write into the model's folder, and return the facts that go into its meta.json."""
        if self.adaptation is not None:
            (folder / "adaptation").mkdir()
            self.adaptation.save(folder / "adaptation")
        history = self.history
        return {
            "decision": self.decision.as_dict(),
            "trained_to": self._trained_to,
            "since": self._since,
            "seed": self._seed,
            "target": self._target,
            "purge_eras": self._purge_eras,
            "gain_eras": history.eras,
            "gain_trained_to": history.trained_to,
            "gains": history.gains,
            "controls": {str(era): row for era, row in history.controls.items()},
        }

    def restore(self, folder: Path, facts: Mapping[str, Any], load: Callable[[Path], A]) -> None:
        """Take back what `save` wrote; `load` reads what the adaptation wrote into its folder."""
        self.decision = Decision(**facts["decision"])
        self._trained_to, self._since = facts["trained_to"], facts["since"]
        controls = {int(era): row for era, row in facts.get("controls", {}).items()}
        told = facts["gain_eras"], facts["gain_trained_to"], facts["gains"]
        self.history = GainHistory(*told, controls)
        if (folder / "adaptation").exists():
            self.adaptation = load(folder / "adaptation")
