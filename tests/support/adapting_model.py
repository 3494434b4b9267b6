"""A made-up adaptation that is no tree, eras in which it pays, and a whole model around it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from honest_model import Honest
from numerai_lab.eraframe import EraFrame
from numerai_lab.models import FitContext, FitReport, ModelInfo, Params, Variant
from numerai_lab.models.adapting import (
    Adapted,
    Candidate,
    Choices,
    FittedTrial,
    Guarded,
    Support,
    decide,
    run_trials,
)
from numerai_lab.models.contract import load_meta, save_meta

ROWS, PURGE = 50, 6
CTX = FitContext(seed=5, target="target", targets=("target",), purge_eras=PURGE)


def world(link=0.0, tilt=0.0, n_eras=120, seed=0, first=1):
    """Eras whose third feature tells the state s; labels follow x0 + link s x1 + tilt x1."""
    rng = np.random.default_rng(seed)
    states = np.repeat(rng.normal(size=n_eras), ROWS)
    x = rng.normal(size=(n_eras * ROWS, 3))
    x[:, 2] += states
    labels = x[:, 0] + (link * states + tilt) * x[:, 1] + 2 * rng.normal(size=len(x))
    return EraFrame(
        features=x.astype(np.float32),
        eras=np.arange(first, first + n_eras, dtype=np.int32),
        offsets=np.arange(n_eras + 1, dtype=np.int64) * ROWS,
        ids=pa.array([f"r{i}" for i in range(len(x))]),
        targets=labels.astype(np.float32)[:, None],
        feature_names=("x0", "x1", "x2"),
        target_names=("target",),
    )


def f(frame):
    return frame.features[:, 0].copy()


def known(values):
    """Float64, missing values as 0, so that sums do not depend on the order of rows."""
    return np.nan_to_num(values.astype(np.float64))


@dataclass
class Slope:
    """Adds slope * state * x1; with `blind` the state of an era is not asked for."""

    slope: float
    blind: bool = False
    online: bool = False
    controlled: bool = False
    support: Support | None = None
    states: list = field(default_factory=lambda: [np.array([s]) for s in (-1.0, 0.5)])
    heard: list = field(default_factory=list)

    @classmethod
    def fit(cls, past, **more):
        new = cls(1.0, **more)
        labels = past.target("target")
        pulled = np.concatenate(
            [
                new.change(0, past.features[rows], None, new.state(past.features[rows]))
                for _, rows in past.iter_eras()
            ]
        )
        new.slope = float(pulled @ labels / (pulled @ pulled))
        return new

    def state(self, features):
        return np.ones(1) if self.blind else known(features[:, 2:3]).mean(axis=0)

    def change(self, number, features, predictions, state):
        factor = 1.0 if self.blind else state[0]
        return (self.slope * factor * known(features[:, 1])).astype(np.float32)

    def adapt(self, number, features, predictions):
        self.heard.append(("predicts", number))
        if number == 100:
            return "era 100 is never read"
        state = self.state(features)
        control = None
        if self.controlled:
            control = self.change(number, features, predictions, self.states[number % 2])
        change = self.change(number, features, predictions, state)
        facts = {"mean": float(state[0])}
        code = None if self.support is None else state
        return Adapted(change, state, 0.1, facts, control=control, code=code)

    def observe(self, number, features, predictions, labels):
        self.heard.append(("observes", number))
        self.slope += float(labels.mean()) if self.online else 0.0

    def save(self, folder):
        (folder / "slope.json").write_text(json.dumps([self.slope, self.online]))

    @classmethod
    def load(cls, folder):
        slope, online = json.loads((folder / "slope.json").read_text())
        return cls(slope, online=online)


class TiltedParams(Params):
    strength: float | Literal["auto"] = "auto"
    refit_eras: int | None = None


class Tilted(Honest):
    """Least squares f, and a slope times each era's own state: f + a change(era)."""

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="least squares that adapts itself",
        unit="fits",
        transductive=True,
        variants=(Variant("shuffled", "adapted to other eras", control=True),),
    )
    Params: ClassVar[type[Params]] = TiltedParams

    def new_guarded(self, seed, target, purge_eras):
        return Guarded("tilted", "slopes", seed, target, purge_eras, self.params.refit_eras)

    @property
    def online(self):
        return self.guarded.online

    def fit(self, train, ctx):
        def fit(past, judged):
            plain = Honest(self.params)
            plain.fit(past, ctx)
            f = plain.predict(judged)
            return FittedTrial(f, [Candidate(0.0, f, Slope.fit(past))])

        super().fit(train, ctx)
        self.guarded = self.new_guarded(ctx.seed, ctx.target, ctx.purge_eras)
        choices = Choices.left_open(0.0, self.params.strength)
        trials = run_trials(train, ctx, choices, fit) if choices.open else []
        decision = decide(trials, choices, ctx.purge_eras, ctx.seed)
        if decision.strength > 0 or self.params.refit_eras is not None:
            self.guarded.begin(Slope.fit(train), decision, trials, int(train.eras[-1]))
        return FitReport(1, "fits", 0.0, notes=(decision.reason,), details=decision.as_dict())

    def predict(self, frame):
        return self.guarded.predict(frame, super().predict(frame))

    def predict_in_detail(self, frame):
        f = super().predict(frame)
        detail, states = self.guarded.predict_apart(frame, f)
        others = self.guarded.draw_others(int(frame.eras[0]), states)
        control = self.guarded.predict_control(frame, f, others)
        return replace(detail, variants={"shuffled": control})

    @classmethod
    def twin_of_variant(cls, params):
        return None

    def observe(self, resolved):
        self.guarded.observe(resolved, super().predict(resolved))

    def save(self, folder: Path):
        super().save(folder)
        save_meta(folder, self.params, self.guarded.save(folder))

    @classmethod
    def load(cls, folder: Path):
        params, facts = load_meta(folder, TiltedParams)
        plain = Honest.load(folder)
        model = cls(params)
        model.beta, model.trained = plain.beta, plain.trained
        model.guarded = model.new_guarded(facts["seed"], facts["target"], facts["purge_eras"])
        model.guarded.restore(folder, facts, Slope.load)
        return model
