"""`xgb_ttt`: XGBoost with test-time training, and the same trees frozen beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.contract import (
    Detailed,
    Exported,
    FitContext,
    FitReport,
    Float32,
    ModelInfo,
    Variant,
    load_meta,
    save_meta,
)
from numerai_lab.models.trees.xgb import XGB, XGBParams
from numerai_lab.models.trees.xgb_ttt.adaptation import Adaptation, Adapted
from numerai_lab.models.trees.xgb_ttt.deciding import decide
from numerai_lab.models.trees.xgb_ttt.export import with_adaptation
from numerai_lab.models.trees.xgb_ttt.guard import (
    STRENGTHS,
    Block,
    Choices,
    Decision,
    strength_from_history,
)
from numerai_lab.models.trees.xgb_ttt.joint import grow_joint, load_trunk, save_trunk
from numerai_lab.models.trees.xgb_ttt.method import State, Trunk
from numerai_lab.models.trees.xgb_ttt.params import XGBTTTParams
from numerai_lab.models.trees.xgb_ttt.progress import TreeCount
from numerai_lab.models.trees.xgb_ttt.reader import Reader
from numerai_lab.models.trees.xgb_ttt.task import MIN_ERAS
from numerai_lab.models.trees.xgb_ttt.trials import era_gains, run_trial, trial_blocks
from numerai_lab.seeds import child_seed

FROZEN, JOINT, SHUFFLED = "frozen", "joint", "shuffled"
"""Names of the variants."""

_KNOWN_STATES = 32
"""States of eras with known labels that the control of an era predicted alone draws from."""


class XGBTTT:
    """XGBoost f, and what an era's unlabelled rows add to it.

    An era's prediction is f + a change(era, state): the state is where the self-supervised
    loss of the era leads the method to, a the strength. f is model `xgb` with the same
    parameters and seed, or, where the auxiliary loss has a weight, trees trained jointly on
    both losses; with `code: own_loss` the latter only read eras. With a = 0, or where an era
    cannot be read, the prediction is exactly f.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="XGBoost that adapts itself to each era's unlabelled rows (test-time training)",
        unit="rounds",
        transductive=True,
        stateful=False,
        exportable=True,
        variants=(
            Variant(FROZEN, "same trees, not adapted"),
            Variant(JOINT, "trained with auxiliary targets, not adapted", compared_with=(FROZEN,)),
            Variant(
                SHUFFLED,
                "control: adapted to other eras",
                compared_with=(FROZEN,),
                control=True,
                reading="what the era's own state gains is prediction - shuffled",
            ),
        ),
        not_finite_hint="a smaller learning rate (eta) is the usual way out",
    )
    Params: ClassVar[type[XGBTTTParams]] = XGBTTTParams

    def __init__(self, params: XGBTTTParams) -> None:
        self.params = params
        self._base = XGB(params.frozen())
        self._joint: Trunk | None = None
        self._adaptation: Adaptation | None = None
        self._strength = 0.0
        self._seed = 0
        self._target = ""
        self._purge_eras = 0
        self._gain_eras: list[int] = []
        self._gains: list[list[float]] = []
        self._known_states: list[State] = []

    @property
    def online(self) -> bool:
        """Whether labels that become known while predicting change later predictions."""
        if self._adaptation is None:
            return False
        return self._adaptation.online or self.params.adapt.strength == "online"

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Grow the frozen trees, let the guard decide, and fit what it leaves on."""
        adapt = self.params.adapt
        self._seed, self._target, self._purge_eras = ctx.seed, ctx.target, ctx.purge_eras
        self._joint, self._adaptation, self._strength = None, None, 0.0
        self._gain_eras, self._gains, self._known_states = [], [], []
        choices = Choices.of(self.params)
        trials = trial_blocks(train, ctx.purge_eras) if choices.open else []
        count = TreeCount(ctx, self.params, choices, len(trials))
        report = self._base.fit(train, replace(ctx, progress=count.base))
        rounds = self._rounds(report)
        # where the frozen trees fell back to, once and said, the others go at once
        ctx = replace(ctx, device=report.details["device"])
        reader, record = Reader.fit(train, ctx, self.params)
        blocks: list[Block] = []
        if isinstance(reader, str):
            decision = Decision(0.0, 0.0, f"{choices.nothing}: {reader}")
        elif not choices.open:
            decision = choices.as_written()
        else:
            blocks = [
                run_trial(past, judged, ctx, self.params, rounds, choices, count.grown)
                for past, judged in trials
            ]
            decision = decide(blocks, choices, ctx.purge_eras, ctx.seed)
        self._strength = decision.strength
        if not isinstance(reader, str):
            adapts = decision.strength > 0 or adapt.strength == "online"
            if decision.weight > 0 and (adapts or self.params.predicts_with_joint_trees):
                self._joint, seconds = grow_joint(
                    train, ctx, self.params, reader, decision.weight, rounds, count.grown
                )
                report = _with_more(report, rounds, seconds)
            if adapts:
                self._adaptation, facts = Adaptation.fit(
                    train, ctx, self.params, reader, self._reading_trees(), count.grown
                )
                record |= facts
                method = self._adaptation.method
                report = _with_more(report, method.n_trees, method.library_seconds)
        if self._adaptation is not None and adapt.strength == "online":
            self._remember(blocks, decision.weight)
            now = self._strength_now()
            why = f"strength chosen anew on eras whose labels are known; at first {now:g}"
            decision = replace(decision, strength=now, reason=why)
        notes = [*report.notes, decision.reason]
        without = record.get("eras_without_code")
        if without:
            notes.append(f"{without} training eras have no code: the adaptation left them out")
        details = {
            **report.details,
            "code": {"task": self.params.auxiliary.task, **record},
            "guard": decision.as_dict(),
            "strength": decision.strength,
            "weight": decision.weight,
        }
        return replace(report, notes=tuple(notes), details=details)

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows]; an era depends on its own rows only (and on `observe`)."""
        self._base.check(frame)
        unadapted = self._adapted_trees().predict(frame)
        strength = np.float32(self._strength_now())
        if strength == 0:
            return unadapted
        predictions = unadapted.copy()
        for _, rows, adapted in self._adapted(frame, unadapted):
            if isinstance(adapted, Adapted):
                predictions[rows] += strength * adapted.change
        return predictions

    def predict_in_detail(self, frame: EraFrame) -> Detailed:
        """Predict, beside the frozen trees and the control with the states of other eras.

        The control gives each era the state of another one of `frame`, or, where it is alone,
        of one of the last eras whose labels are known, or of a training era.
        """
        apart, states = self.predict_apart(frame)
        others = self.draw_others(int(frame.eras[0]), states)
        control = self.predict_control(frame, apart, others)
        return replace(apart, variants={**apart.variants, SHUFFLED: control})

    def predict_apart(self, frame: EraFrame) -> tuple[Detailed, list[State | None]]:
        """Predict with the adapted and with the frozen trees, without the control `SHUFFLED`.

        Returns
        -------
        The prediction with variants `FROZEN` and, with jointly trained trees, `JOINT`; and the
        state that each era was adapted by (a code, or the movement of every leaf), None where it
        was not adapted.
        """
        frozen = self._base.predict(frame)
        trees = self._adapted_trees()
        unadapted = frozen if trees.frozen is not None else trees.predict(frame)
        strength = self._strength_now()
        predictions = unadapted.copy()
        facts: list[dict[str, float]] = []
        remarks: list[str | None] = []
        states: list[State | None] = []
        for _, rows, adapted in self._adapted(frame, unadapted):
            if isinstance(adapted, str):
                facts.append({"strength": 0.0})
                remarks.append(f"predicted by the unadapted trees: {adapted}")
                states.append(None)
                continue
            predictions[rows] += np.float32(strength) * adapted.change
            codes = {f"code_{m + 1}": float(s) for m, s in enumerate(adapted.code)}
            facts.append({"seconds": adapted.seconds, "strength": strength, **codes})
            remarks.append(adapted.remark)
            states.append(adapted.state)
        joint = {JOINT: unadapted} if self.params.predicts_with_joint_trees else {}
        names = dict.fromkeys(name for told in facts for name in told)
        per_era = {name: [told.get(name) for told in facts] for name in names}
        detail = Detailed(predictions, {FROZEN: frozen, **joint}, per_era, remarks)
        return detail, states or [None] * frame.n_eras

    def draw_others(self, first_era: int, states: Sequence[State | None]) -> list[State | None]:
        """Draw for each era that has a state the one of another era."""
        others = iter(self._other_states(first_era, [s for s in states if s is not None]))
        return [None if state is None else next(others) for state in states]

    def predict_control(
        self, frame: EraFrame, apart: Detailed, others: Sequence[State | None]
    ) -> Float32:
        """Predict with the states of other eras; where there is none by the unadapted trees."""
        unadapted = apart.variants.get(JOINT, apart.variants[FROZEN])
        predictions, strength = unadapted.copy(), np.float32(self._strength_now())
        for (number, rows), other in zip(frame.iter_eras(), others, strict=True):
            if self._adaptation is not None and other is not None:
                features = frame.features[rows]
                change = self._adaptation.change(number, features, unadapted[rows], other)
                predictions[rows] += strength * change
        return predictions

    @classmethod
    def twin_of_variant(cls, params: XGBTTTParams) -> tuple[str, str, XGBParams]:
        """Name model `xgb` with the frozen trees' parameters."""
        return FROZEN, "xgb", params.frozen()

    def observe(self, resolved: EraFrame) -> None:
        """Take note of eras whose labels have become known, in order of time."""
        if self._adaptation is None or not self.online:
            return
        labels = resolved.target(self._target)
        unadapted = self._adapted_trees().predict(resolved)
        for number, rows, adapted in self._adapted(resolved, unadapted):
            features = resolved.features[rows]
            if isinstance(adapted, Adapted):
                self._known_states = [*self._known_states, adapted.state][-_KNOWN_STATES:]
            if self.params.adapt.strength == "online":
                gains = era_gains(adapted, unadapted[rows], labels[rows], STRENGTHS)
                self._gain_eras.append(number)
                self._gains.append(gains.tolist())
            self._adaptation.observe(number, features, unadapted[rows], labels[rows])

    def save(self, folder: Path) -> None:
        """Write the frozen trees as model `xgb` does in `frozen`, and the rest beside."""
        (folder / "frozen").mkdir()
        self._base.save(folder / "frozen")
        if self._joint is not None:
            (folder / "joint").mkdir()
            save_trunk(self._joint, folder / "joint")
        if self._adaptation is not None:
            (folder / "adaptation").mkdir()
            self._adaptation.save(folder / "adaptation")
            np.savez(folder / "known_states.npz", *self._known_states)
        facts = {
            "strength": self._strength,
            "seed": self._seed,
            "target": self._target,
            "purge_eras": self._purge_eras,
            "gain_eras": self._gain_eras,
            "gains": self._gains,
        }
        save_meta(folder, self.params, facts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        params, meta = load_meta(folder, cls.Params)
        model = cls(params)
        model._base = XGB.load(folder / "frozen")
        if (folder / "joint").exists():
            model._joint = load_trunk(folder / "joint")
        if (folder / "adaptation").exists():
            trees = model._reading_trees()
            model._adaptation = Adaptation.load(folder / "adaptation", model.params, trees)
            with np.load(folder / "known_states.npz") as states:
                model._known_states = [states[name] for name in states.files]
        model._strength, model._seed = meta["strength"], meta["seed"]
        model._target, model._purge_eras = meta["target"], meta["purge_eras"]
        model._gain_eras, model._gains = meta["gain_eras"], meta["gains"]
        return model

    def export(self) -> Exported:
        """Return the trees and the adaptation as arrays, with the strength of now.

        A bundle is never told of later labels: what `observe` would change stays as it is.
        """
        return with_adaptation(
            self._base.export(), self._adapted_trees(), self._adaptation, self._strength_now()
        )

    def _reading_trees(self) -> Trunk:
        """Return the trees whose outputs the method works with."""
        return Trunk.plain(self._base) if self._joint is None else self._joint

    def _adapted_trees(self) -> Trunk:
        """Return the trees whose predictions are changed."""
        if self._joint is None or not self.params.predicts_with_joint_trees:
            return Trunk.plain(self._base)
        return self._joint

    def _adapted(
        self, frame: EraFrame, unadapted: Float32
    ) -> Iterator[tuple[int, slice, Adapted | str]]:
        """Adapt to each era; nothing where adaptation is off."""
        if self._adaptation is None:
            return
        for number, rows in frame.iter_eras():
            adapted = self._adaptation.adapt(number, frame.features[rows], unadapted[rows])
            yield number, rows, adapted

    def _strength_now(self) -> float:
        if self._adaptation is None or self.params.adapt.strength != "online":
            return self._strength
        window = self.params.adapt.window_eras
        return strength_from_history(
            self._gain_eras[-window:], self._gains[-window:], self._purge_eras
        )

    def _remember(self, blocks: list[Block], weight: float) -> None:
        """Begin the history of gains with those of the trials on training eras."""
        for block in blocks:
            if not block.note:
                table = np.column_stack([block.gains[weight, a] for a in STRENGTHS])
                self._gain_eras += block.eras.tolist()
                self._gains += (table - table[:, :1]).tolist()

    def _other_states(self, first_era: int, states: list[State]) -> list[State]:
        """Return the state of another era for each of `states`."""
        seed = child_seed(self._seed, "xgb_ttt", "shuffled", first_era)
        rng = np.random.default_rng(seed)
        if len(states) > 1:
            return [states[i] for i in rng.permutation(len(states))]
        if not states or self._adaptation is None:
            return []
        enough = len(self._known_states) >= MIN_ERAS
        pool = self._known_states if enough else self._adaptation.states
        # no other era could be read: nothing is known of any, as in an era without a code
        return [pool[rng.integers(len(pool))] if pool else np.zeros_like(states[0])]

    def _rounds(self, report: FitReport) -> int:
        """Return the rounds that early stopping kept, without those of era boosting."""
        rounds = report.size // (self.params.num_parallel_tree or 1)
        boosting = self.params.era_boosting
        return rounds - (boosting.rounds if boosting else 0)


def _with_more(report: FitReport, n_trees: int, seconds: float) -> FitReport:
    total = report.library_seconds + seconds
    return replace(report, size=report.size + n_trees, library_seconds=total)
