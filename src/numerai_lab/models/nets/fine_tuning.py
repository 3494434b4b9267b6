"""Fine-tuning of a net on eras that have resolved since its fit, as an adaptation to later eras.

Every `refit_eras` newly resolved eras a copy of the net is trained on them, at a low rate and with
earlier eras beside them. The change of an era is what the copy predicts minus what the net does;
how much of it is added is decided by the guard of `models.adapting`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame, FeatureArray
from numerai_lab.errors import ModelError
from numerai_lab.models.adapting import Adapted, State
from numerai_lab.models.contract import FitContext, Said
from numerai_lab.models.nets.device import computing
from numerai_lab.models.nets.kept import read_arrays, write_arrays
from numerai_lab.models.nets.labels import Labels
from numerai_lab.models.nets.params import FineTuneParams
from numerai_lab.models.nets.runtime import era_bins
from numerai_lab.models.nets.training import Fitting, Teachable, predict
from numerai_lab.seeds import child_seed

TUNED, REPLAYED = np.array([0.0]), np.array([1.0])
"""States: the copy that learns new eras, and the control, which learns earlier ones alone."""
_MEMORY_ERAS, _MEMORY_ROWS = 128, 512
"""Training eras kept with the model to be replayed, drawn at random, and rows of each."""
_FILE = "fine_tuning.npz"
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class KeptEra:
    """One labelled era: its number, bins int8 [n_rows, n_features], labels float32 [n_rows]."""

    number: int
    bins: Any
    labels: Float32

    def some(self, n: int, seed: int) -> KeptEra:
        """Return n rows that are drawn from it, or all of them if they are fewer."""
        if len(self.bins) <= n:
            return self
        rows = np.sort(np.random.default_rng(seed).choice(len(self.bins), n, replace=False))
        return KeptEra(self.number, self.bins[rows], self.labels[rows])


@dataclass(frozen=True)
class Base:
    """The net as it was fitted: what is copied, and how it learns and predicts.

    Attributes
    ----------
    nets : in evaluation mode on the CPU, never changed. row_by_row : as `NetModel.row_by_row`.
    """

    model: Teachable
    nets: Sequence[nn.Module]
    labels: Labels
    row_by_row: bool


class FineTuning:
    """A copy of a net that learns every era whose labels become known; an `Adaptation`.

    Only the main target is learnt, each row alike, on the CPU. Earlier eras come from a memory of
    at most 128 eras x 512 rows that is kept with the model, and which new eras join.

    Parameters
    ----------
    seed : of the whole fit. target : the main one.
    controlled : whether a second copy takes the same steps on earlier eras alone.
    """

    def __init__(
        self,
        base: Base,
        params: FineTuneParams,
        seed: int,
        target: str,
        *,
        controlled: bool = False,
    ) -> None:
        self.base, self.params, self.controlled = base, params, controlled
        self.online = True
        self.states: list[State] = []
        self._seed, self._target = seed, target
        self._memory: list[KeptEra] = []
        self._waiting: list[KeptEra] = []
        self._n_taught = 0
        """The first so many eras of the memory are those that the net itself has learnt."""
        self._learnt = 0
        self._tuned: list[nn.Module] = []
        self._replayed: list[nn.Module] = []

    @property
    def n_learnt(self) -> int:
        """Eras learnt since the fit."""
        return self._learnt

    @property
    def tuned(self) -> Sequence[nn.Module]:
        """The copies that have learnt new eras, one a net; none before the first."""
        return self._tuned

    def fit(self, train: EraFrame) -> None:
        """Draw training eras, and rows of them, to be replayed."""
        rng = np.random.default_rng(self._child("memory"))
        n = min(_MEMORY_ERAS, train.n_eras)
        self._memory = []
        for place in np.sort(rng.choice(train.n_eras, n, replace=False)).tolist():
            rows = slice(int(train.offsets[place]), int(train.offsets[place + 1]))
            labels = train.target(self._target)[rows]
            era = KeptEra(int(train.eras[place]), era_bins(train.features[rows]), labels)
            self._memory.append(self._sample(era))
        self._begin()

    def go_on_from(self, base: Base, new: EraFrame) -> None:
        """Begin again from a net that has learnt these eras by itself (`--continue`)."""
        self.base = base
        known = {era.number for era in self._memory}
        for number, rows in new.iter_eras():
            if number not in known:
                labels = new.target(self._target)[rows]
                era = KeptEra(number, era_bins(new.features[rows]), labels)
                self._memory.append(self._sample(era))
        self._begin()

    def _begin(self) -> None:
        self._waiting, self._learnt, self._tuned, self._replayed = [], 0, [], []
        self._n_taught = len(self._memory)

    def adapt(self, number: int, features: FeatureArray, predictions: Float32) -> Adapted | str:
        """Return what fine-tuning changes; a text before anything was learnt."""
        start = time.perf_counter()
        if not self._tuned:
            return "no era since its fit has been learnt yet"
        change = self.change(number, features, predictions, TUNED)
        facts = {"eras_learnt": float(self._learnt)}
        return Adapted(change, TUNED, time.perf_counter() - start, facts)

    def change(
        self,
        number: int,
        features: FeatureArray,
        predictions: Float32,
        state: State,
    ) -> Float32:
        """Return what strength 1 adds, float32 [n_rows]; by the control for state `REPLAYED`."""
        nets = self._replayed if state[0] == REPLAYED[0] else self._tuned
        if not nets:
            return np.zeros_like(predictions)
        frame = _frame([KeptEra(number, era_bins(features), predictions)], ())
        total = np.zeros(len(predictions))
        facts, row_by_row = self.base.labels.facts, self.base.row_by_row
        with computing(0, _CPU):
            for net in nets:
                total += predict(net, frame, facts, _CPU, row_by_row=row_by_row)
        return (total / len(nets)).astype(np.float32) - predictions

    def coded_change(
        self, number: int, features: FeatureArray, predictions: Float32, state: State
    ) -> tuple[Float32, None]:
        """Return what `change` does; an era has no code here."""
        return self.change(number, features, predictions, state), None

    def observe(
        self,
        number: int,
        features: FeatureArray,
        predictions: Float32,  # noqa: ARG002 - labels say it all
        labels: Float32,
    ) -> None:
        """Note one era whose labels are known, and learn what was noted when it is enough."""
        known = ~np.isnan(labels)
        if not known.any():
            return
        self._waiting.append(KeptEra(number, era_bins(features)[known], labels[known]))
        if len(self._waiting) >= self.params.refit_eras:
            self._learn()

    def _learn(self) -> None:
        """Train the copies on the eras that wait, and on earlier ones."""
        new, share = self._waiting, self.params.replay
        last = new[-1].number
        rng = np.random.default_rng(self._child("replay", last))
        n = min(round(share / (1 - share) * len(new)), len(self._memory))
        old = [self._memory[i] for i in rng.choice(len(self._memory), n, replace=False)]
        self._tuned = self._trained(self._tuned, [*old, *new], last)
        if self.controlled:
            again = min(len(old) + len(new), self._n_taught)
            earlier = [self._memory[i] for i in rng.choice(self._n_taught, again, replace=False)]
            self._replayed = self._trained(self._replayed, earlier, last)
        self._memory += [self._sample(era) for era in new]
        self._learnt += len(new)
        self._waiting = []

    def _trained(
        self, nets: Sequence[nn.Module], eras: Sequence[KeptEra], last: int
    ) -> list[nn.Module]:
        """Return copies of the nets that have seen these eras `epochs` times."""
        labels = self.base.labels
        frame = _frame(sorted(eras, key=lambda era: era.number), labels.targets)
        ctx = FitContext(
            seed=self._child("steps", last),
            target=self._target,
            targets=labels.targets,
            purge_eras=0,
        )
        trained = []
        with computing(1, _CPU):  # so that the steps do not depend on how many cores there are
            for seed, net in enumerate(nets or self.base.nets):
                own = deepcopy(net).train()
                Fitting(self.base.model, ctx, Said(ctx)).trained(
                    frame,
                    self.params.epochs,
                    seed,
                    f"tuned_{seed}",
                    total=self.params.epochs,
                    going_on=(own, labels, self.params.rate),
                )
                trained.append(own.eval())
        return trained

    def _sample(self, era: KeptEra) -> KeptEra:
        return era.some(_MEMORY_ROWS, self._child("rows", era.number))

    def _child(self, *names: Any) -> int:
        return child_seed(self._seed, "fine_tune", *names)

    def save(self, folder: Path) -> None:
        """Write memory, copies and what waits."""
        arrays: dict[str, Any] = {}
        for name, eras in (("memory", self._memory), ("waiting", self._waiting)):
            for place, era in enumerate(eras):
                arrays[f"{name}/{place:05d}/bins"] = era.bins
                arrays[f"{name}/{place:05d}/labels"] = era.labels
        for name, nets in (("tuned", self._tuned), ("replayed", self._replayed)):
            for seed, net in enumerate(nets):
                for key, weight in net.state_dict().items():
                    arrays[f"{name}/{seed:05d}/{key}"] = weight.detach().numpy()
        facts = {
            "memory": [era.number for era in self._memory],
            "waiting": [era.number for era in self._waiting],
            "taught": self._n_taught,
            "learnt": self._learnt,
            "seed": self._seed,
            "target": self._target,
            "controlled": self.controlled,
        }
        write_arrays(folder / _FILE, arrays, facts)

    @classmethod
    def load(cls, folder: Path, base: Base, params: FineTuneParams) -> FineTuning:
        """Read what `save` wrote.

        Raises
        ------
        ModelError : it is damaged, or its weights are another net's.
        """
        arrays, facts = read_arrays(folder / _FILE)
        found = cls(base, params, facts["seed"], facts["target"], controlled=facts["controlled"])
        found._n_taught, found._learnt = facts["taught"], facts["learnt"]

        def eras(name: str) -> list[KeptEra]:
            return [
                KeptEra(number, arrays[f"{name}/{i:05d}/bins"], arrays[f"{name}/{i:05d}/labels"])
                for i, number in enumerate(facts[name])
            ]

        def nets(name: str) -> list[nn.Module]:
            made = []
            for seed, net in enumerate(base.nets):
                prefix = f"{name}/{seed:05d}/"
                own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
                if not own:
                    return []
                copy = deepcopy(net)
                try:
                    copy.load_state_dict({k: torch.from_numpy(v) for k, v in own.items()})
                except RuntimeError as error:
                    raise ModelError(
                        "has weights that do not fit this net: " + str(error).splitlines()[-1],
                        where=str(folder / _FILE),
                        fix="train the model again",
                    ) from None
                made.append(copy.eval())
            return made

        found._memory, found._waiting = eras("memory"), eras("waiting")
        found._tuned, found._replayed = nets("tuned"), nets("replayed")
        return found


def _frame(eras: Sequence[KeptEra], targets: tuple[str, ...]) -> EraFrame:
    """Lay eras end to end; of several targets only the first is known."""
    sizes = [len(era.bins) for era in eras]
    n = sum(sizes)
    labels = np.full((n, len(targets)), np.nan, dtype=np.float32)
    if targets:
        labels[:, 0] = np.concatenate([era.labels for era in eras])
    bins = np.concatenate([era.bins for era in eras])
    return EraFrame(
        features=bins,
        eras=np.array([era.number for era in eras], dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        ids=pa.array([str(i) for i in range(n)]),
        targets=labels,
        feature_names=tuple(map(str, range(bins.shape[1]))),
        target_names=targets,
    )
