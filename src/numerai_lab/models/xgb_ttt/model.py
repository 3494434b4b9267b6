"""`xgb_ttt`: XGBoost with test-time training, and the same trees frozen beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import EraFrame
from numerai_lab.models.base import (
    FROZEN,
    SHUFFLED,
    Detailed,
    Exported,
    FitContext,
    FitReport,
    Float32,
    ModelInfo,
)
from numerai_lab.models.xgb import XGB, XGBParams
from numerai_lab.models.xgb_ttt.adaptation import Adaptation, Reading
from numerai_lab.models.xgb_ttt.export import with_adaptation
from numerai_lab.models.xgb_ttt.guard import (
    Block,
    Decision,
    decide,
    era_gains,
    run_trial,
    strength_from_history,
    trial_blocks,
)
from numerai_lab.models.xgb_ttt.params import XGBTTTParams
from numerai_lab.models.xgb_ttt.tasks import MIN_ERAS
from numerai_lab.seeds import child_seed

Float64 = npt.NDArray[np.float64]


class XGBTTT:
    """XGBoost f0, and what an era's unlabelled rows add to it.

    An era's prediction is f0 + a (b_0 + sum_m s_m b_m): s the code that the self-supervised
    task reads from the era, b the method's basis, a the strength. With a = 0, or where an era
    cannot be read, it is exactly f0, which is model `xgb` with the same parameters and seed.
    """

    info: ClassVar[ModelInfo] = ModelInfo(
        summary="XGBoost that adapts itself to each era's unlabelled rows (test-time training)",
        transductive=True,
        stateful=False,
        exportable=True,
    )
    Params: ClassVar[type[XGBTTTParams]] = XGBTTTParams

    def __init__(self, params: XGBTTTParams) -> None:
        self.params = params
        self._base = XGB(params.frozen())
        self._adaptation: Adaptation | None = None
        self._strength = 0.0
        self._seed = 0
        self._target = ""
        self._purge_eras = 0
        self._gain_eras: list[int] = []
        self._gains: list[list[float]] = []
        self._known_codes: list[list[float]] = []

    @property
    def online(self) -> bool:
        """Whether labels that become known while predicting change later predictions."""
        if self._adaptation is None:
            return False
        return self._adaptation.method.online or self.params.adapt.strength == "online"

    def fit(self, train: EraFrame, ctx: FitContext) -> FitReport:
        """Grow the frozen trees, fit the adaptation, and let the guard choose its strength."""
        adapt = self.params.adapt
        self._seed, self._target, self._purge_eras = ctx.seed, ctx.target, ctx.purge_eras
        self._adaptation, self._strength = None, 0.0
        self._gain_eras, self._gains, self._known_codes = [], [], []
        trials = trial_blocks(train, ctx.purge_eras) if adapt.strength in ("auto", "online") else []
        count = _Count(ctx, self.params, len(trials))
        report = self._base.fit(train, replace(ctx, progress=count.base))
        frozen_params = self.params.with_rounds(self._rounds(report))
        adaptation, record = Adaptation.fit(train, ctx, adapt, count.grown)
        details = {**report.details, "code": record}
        blocks: list[Block] = []
        if isinstance(adaptation, str):
            decision = Decision(0.0, f"adaptation off: {adaptation}")
        elif isinstance(adapt.strength, float):
            decision = Decision(adapt.strength, f"strength {adapt.strength:g} as written")
        else:
            blocks = [
                run_trial(past, judged, ctx, frozen_params, adapt, count.grown)
                for past, judged in trials
            ]
            decision = decide(blocks, ctx.purge_eras, ctx.seed)
        if not isinstance(adaptation, str):
            self._adaptation = adaptation
            self._strength = decision.strength
            if adapt.strength == "online":
                self._remember(blocks)
                decision = Decision(
                    self._strength_now(),
                    "strength chosen anew on eras whose labels are known; at first "
                    f"{self._strength_now():g}",
                    decision.blocks,
                )
            elif decision.strength == 0:
                self._adaptation = None  # nothing to read at prediction, nothing to save
        notes = [*report.notes, decision.reason]
        if record.get("eras_without_code"):
            notes.append(
                f"{record['eras_without_code']} training eras have no code: only the frozen "
                "trees learnt from them"
            )
        method = None if isinstance(adaptation, str) else adaptation.method
        return replace(
            report,
            n_trees=report.n_trees + (method.n_trees if method and self._adaptation else 0),
            library_seconds=report.library_seconds + (method.library_seconds if method else 0.0),
            notes=tuple(notes),
            details={**details, "guard": decision.as_dict(), "strength": decision.strength},
        )

    def predict(self, frame: EraFrame) -> Float32:
        """Predict float32 [n_rows]; an era depends on its own rows only (and on `observe`)."""
        frozen = self._base.predict(frame)
        strength = self._strength_now()
        predictions = frozen.copy()
        for rows, reading in self._readings(frame, frozen):
            if isinstance(reading, Reading) and strength > 0:
                predictions[rows] += np.float32(strength) * reading.change()
        return predictions

    def predict_in_detail(self, frame: EraFrame) -> Detailed:
        """Predict, beside the frozen trees and the control with codes of other eras.

        The control gives each era the code of another one of `frame`, or, where it is alone,
        one of the last eras whose labels are known, or of the training eras.
        """
        frozen = self._base.predict(frame)
        strength = self._strength_now()
        readings = [*self._readings(frame, frozen)] if self._adaptation else []
        predictions, shuffled = frozen.copy(), frozen.copy()
        reasons: Counter[str] = Counter()
        codes = [r.code for _, r in readings if isinstance(r, Reading)]
        others = iter(self._other_codes(frame, codes))
        facts: dict[str, list[float | None]] = {"seconds": [], "strength": []}
        n_codes = len(codes[0]) if codes else 0
        facts |= {f"code_{m + 1}": [] for m in range(n_codes)}
        for rows, reading in readings:
            read = isinstance(reading, Reading)
            facts["strength"].append(strength if read else 0.0)
            if not isinstance(reading, Reading):
                reasons[reading] += 1
                facts["seconds"].append(None)
                for m in range(n_codes):
                    facts[f"code_{m + 1}"].append(None)
                continue
            facts["seconds"].append(reading.seconds)
            for m in range(n_codes):
                facts[f"code_{m + 1}"].append(float(reading.code[m]))
            other = next(others)
            if strength > 0:
                predictions[rows] += np.float32(strength) * reading.change()
                shuffled[rows] += np.float32(strength) * reading.change(other)
        return Detailed(
            predictions=predictions,
            variants={FROZEN: frozen, SHUFFLED: shuffled},
            per_era={name: values for name, values in facts.items() if values},
            notes=tuple(
                f"{n} of {frame.n_eras} eras predicted by the frozen trees: {reason}"
                for reason, n in reasons.items()
            ),
        )

    @classmethod
    def frozen_as(cls, params: XGBTTTParams) -> tuple[str, XGBParams]:
        """Name model `xgb` with the frozen trees' parameters."""
        return "xgb", params.frozen()

    def observe(self, resolved: EraFrame) -> None:
        """Take note of eras whose labels have become known, in order of time."""
        if self._adaptation is None or not self.online:
            return
        labels = resolved.target(self._target)
        frozen = self._base.predict(resolved)
        for era, rows in resolved.iter_eras():
            features = resolved.features[rows]
            reading = self._adaptation.read(features, frozen[rows])
            if isinstance(reading, Reading):
                self._known_codes.append(reading.code.tolist())
            if self.params.adapt.strength == "online":
                gains = era_gains(self._adaptation, features, frozen[rows], labels[rows])
                self._gain_eras.append(era)
                self._gains.append(gains.tolist())
            self._adaptation.observe(features, labels[rows])

    def save(self, folder: Path) -> None:
        """Write the frozen trees as model `xgb` does in `frozen`, and the adaptation beside."""
        (folder / "frozen").mkdir()
        self._base.save(folder / "frozen")
        if self._adaptation is not None:
            (folder / "adaptation").mkdir()
            self._adaptation.save(folder / "adaptation")
        meta = {
            "params": self.params.model_dump(mode="json", by_alias=True, exclude_none=True),
            "strength": self._strength,
            "seed": self._seed,
            "target": self._target,
            "purge_eras": self._purge_eras,
            "gain_eras": self._gain_eras,
            "gains": self._gains,
            "known_codes": self._known_codes,
        }
        (folder / "meta.json").write_text(json.dumps(meta, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        meta = json.loads((folder / "meta.json").read_text())
        model = cls(cls.Params.model_validate(meta["params"]))
        model._base = XGB.load(folder / "frozen")
        if (folder / "adaptation").exists():
            model._adaptation = Adaptation.load(folder / "adaptation", model.params.adapt)
        model._strength, model._seed = meta["strength"], meta["seed"]
        model._target, model._purge_eras = meta["target"], meta["purge_eras"]
        model._gain_eras, model._gains = meta["gain_eras"], meta["gains"]
        model._known_codes = meta["known_codes"]
        return model

    def export(self) -> Exported:
        """Return the frozen trees and the adaptation as arrays, with the strength of now.

        A bundle is never told of later labels: what `observe` would change stays as it is.
        """
        return with_adaptation(self._base.export(), self._adaptation, self._strength_now())

    def _readings(self, frame: EraFrame, frozen: Float32) -> Iterator[tuple[slice, Reading | str]]:
        if self._adaptation is None:
            return
        for _, rows in frame.iter_eras():
            yield rows, self._adaptation.read(frame.features[rows], frozen[rows])

    def _strength_now(self) -> float:
        if self.params.adapt.strength != "online":
            return self._strength
        window = self.params.adapt.window_eras
        return strength_from_history(
            self._gain_eras[-window:], self._gains[-window:], self._purge_eras
        )

    def _remember(self, blocks: list[Block]) -> None:
        """Begin the history of gains with those of the trials on training eras."""
        for block in blocks:
            self._gain_eras += block.eras.tolist()
            self._gains += block.gains.tolist()

    def _other_codes(self, frame: EraFrame, codes: list[Float64]) -> Sequence[Float64]:
        """Return a code of another era for each of `codes`."""
        seed = child_seed(self._seed, "xgb_ttt", "shuffled", int(frame.eras[0]))
        rng = np.random.default_rng(seed)
        if len(codes) > 1:
            return [codes[i] for i in rng.permutation(len(codes))]
        if not codes or self._adaptation is None:
            return []
        known = np.asarray(self._known_codes[-self.params.adapt.window_eras :])
        pool = known if len(known) >= MIN_ERAS else self._adaptation.training_codes
        return [pool[rng.integers(len(pool))]]

    def _rounds(self, report: FitReport) -> int:
        """Return the rounds that early stopping kept, without those of era boosting."""
        rounds = report.n_trees // (self.params.num_parallel_tree or 1)
        boosting = self.params.era_boosting
        return rounds - (boosting.rounds if boosting else 0)


class _Count:
    """Progress over the frozen trees, the adapter's and those of the trials."""

    def __init__(self, ctx: FitContext, params: XGBTTTParams, n_trials: int) -> None:
        self._report = ctx.progress
        self._base = params.num_boost_round
        self._base += params.era_boosting.rounds if params.era_boosting else 0
        trees = params.adapt.trees
        adapter = trees.bags * trees.num_boost_round
        adapter = adapter if params.adapt.method == "code_leaves" else 0
        self._total = (self._base + adapter) * (1 + n_trials)
        self._done = 0

    def base(self, done: int, _total: int) -> None:
        """Count the frozen trees of the whole fit."""
        self._done = done
        self._report(done, self._total)

    def grown(self) -> None:
        """Count one more tree of any other kind."""
        self._done += 1
        self._report(min(self._done, self._total), self._total)
