"""Members of the ensemble: which there are, their training rows, and how one is trained."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, did_you_mean
from numerai_lab.models.contract import FitContext
from numerai_lab.models.trees.classes import Classes
from numerai_lab.models.trees.lgbm_ensemble.params import LGBMEnsembleParams
from numerai_lab.models.trees.lightgbm_rows import BinnedRows, library_errors, network_params
from numerai_lab.models.trees.run_settings import lightgbm_run_settings
from numerai_lab.scoring import corr_per_era
from numerai_lab.seeds import child_seed


@dataclass(frozen=True)
class Member:
    """One member: what it learns, from which eras, with which parameters and seed.

    Attributes
    ----------
    target : the target it learns.
    offset : it sees eras with (number - 1) % era_step == offset.
    parameter_set, seed : positions in `parameter_sets` and in `seeds`.
    """

    target: str
    offset: int
    parameter_set: int
    seed: int

    def __str__(self) -> str:
        return f"{self.target}/offset {self.offset}/set {self.parameter_set}/seed {self.seed}"


def list_members(params: LGBMEnsembleParams, targets: tuple[str, ...]) -> list[Member]:
    """List the members, target by target, then by era offset, parameter set and seed.

    Raises
    ------
    ModelError
        A target of the params is not among those loaded for training.
    """
    wanted = params.targets or list(targets)
    for target in wanted:
        if target not in targets:
            raise ModelError(
                f"target '{target}' is not loaded for training (loaded: {', '.join(targets)})"
                + did_you_mean(target, targets),
                where="model.params.targets",
                fix="add it to data.targets",
            )
    offsets = range(params.era_step) if params.era_offsets == "all" else params.era_offsets
    return [
        Member(target, int(offset), parameter_set, seed)
        for target in wanted
        for offset in offsets
        for parameter_set in range(len(params.parameter_sets))
        for seed in range(params.seeds)
    ]


def member_rows(
    member: Member, train: EraFrame, era_step: int, last_era: int | None = None
) -> npt.NDArray[np.int32] | None:
    """Return the rows a member trains on, int32, or None for all rows of the frame.

    Parameters
    ----------
    member : its eras and its target decide.
    train : all training rows.
    era_step : distance of the eras a member sees, in era numbers.
    last_era : no later era than this one.

    Raises
    ------
    ModelError
        No row is left.
    """
    keep = ~np.isnan(train.target(member.target))
    eras = (train.eras - 1) % era_step == member.offset
    if last_era is not None:
        eras &= train.eras <= last_era
    keep &= np.repeat(eras, np.diff(train.offsets))
    if keep.all():
        return None
    rows = np.flatnonzero(keep).astype(np.int32)
    if len(rows) == 0:
        raise ModelError(
            f"member {member} has no training rows"
            + ("" if last_era is None else f" up to era {last_era}, for its out-of-fold ranks"),
            fix="take other era_offsets or targets"
            + (", or a smaller era_step" if last_era is None else ", or weights: equal"),
        )
    return rows


@dataclass
class Trainer:
    """Trains members one after another on the same binned rows and keeps the time.

    Attributes
    ----------
    params, ctx : of the ensemble and of the run.
    train : all training rows; `binned` holds the same rows.
    n_trees : rounds to train in all, for the progress.
    classes : of each target, where these are what is learnt.
    seconds : spent inside LightGBM's training so far.
    """

    params: LGBMEnsembleParams
    ctx: FitContext
    train: EraFrame
    binned: BinnedRows
    n_trees: int
    classes: Mapping[str, Classes] = field(default_factory=dict)
    seconds: float = 0.0
    _done: int = 0
    _stop: Any = None

    def fit(
        self,
        members: list[Member],
        last_era: int | None = None,
        n_trees: list[int] | None = None,
    ) -> Iterator[lightgbm.Booster]:
        """Yield each member's booster in turn.

        Parameters
        ----------
        members : grouped by target and offset, as `list_members` orders them.
        last_era : train on eras up to this one; default: all.
        n_trees : rounds of each member; default: the parameters', with early stopping on
            mean per-era corr of the run's main target if the run has eras for it.
        """
        peers = self.ctx.peers
        if peers.size == 1:
            yield from self._fit_some(members, last_era, n_trees)
            return
        # Each worker takes neighbours, which learn from the same rows.
        share = np.array_split(np.arange(len(members)), peers.size)[peers.rank].tolist()
        mine = self._fit_some(
            [members[i] for i in share], last_era, [n_trees[i] for i in share] if n_trees else None
        )
        for text in itertools.chain(*peers.from_all([b.model_to_string() for b in mine])):
            yield lightgbm.Booster(model_str=text)

    def _fit_some(
        self, members: list[Member], last_era: int | None, n_trees: list[int] | None
    ) -> Iterator[lightgbm.Booster]:
        lent: tuple[str, int] | None = None
        rows: Any = None
        for i, member in enumerate(members):
            if lent != (member.target, member.offset):
                rows = None  # frees the rows lent before, ahead of the next
                rows = self._lend(member, last_era)
                lent = (member.target, member.offset)
            yield self._fit_one(member, rows, n_trees[i] if n_trees else None)

    def _lend(self, member: Member, last_era: int | None) -> Any:
        """Return binned rows with what the member learns: the target, or which class it is."""
        chosen = self._member_rows(member, last_era)
        label = self.train.target(member.target)
        classes = self.classes.get(member.target)
        if classes is None:
            return self.binned.lend(label, chosen)
        positions = classes.positions(label)
        some = positions if chosen is None else positions[chosen]
        given = self.ctx.weights
        if given is not None and chosen is not None:
            given = given[chosen]
        power = self.params.class_weight_power
        weights = classes.weights(some, power, given, self.ctx.world)
        return self.binned.lend(positions, chosen, weights)

    def _member_rows(self, member: Member, last_era: int | None) -> npt.NDArray[np.int32] | None:
        """Return the rows of a member here; all workers refuse it if one of them has none."""
        problem: ModelError | None = None
        rows: npt.NDArray[np.int32] | None = None
        try:
            rows = member_rows(member, self.train, self.params.era_step, last_era)
        except ModelError as error:
            problem = error
        self.ctx.world.agree(problem)
        return rows

    def _fit_one(self, member: Member, rows: Any, n_trees: int | None) -> lightgbm.Booster:
        classes = self.classes.get(member.target)
        n_classes = 0 if classes is None else len(classes.values)
        library = self.params.library_params(member.parameter_set, n_classes)
        rounds = library.pop("num_iterations")
        if not {"force_row_wise", "force_col_wise"} & library.keys():
            library["force_col_wise"] = True
        names = (member.target, member.offset, member.parameter_set, member.seed)
        library |= {
            **lightgbm_run_settings(self.ctx, child_seed(self.ctx.seed, "lgbm_ensemble", *names)),
            **self.binned.params,
            **network_params(self.ctx.world),
        }

        def progress(env: Any) -> None:
            self.ctx.progress(self._done + env.iteration + 1, self.n_trees)

        callbacks: list[Callable[..., Any]] = [progress]
        judged: dict[str, Any] = {}
        if n_trees is None and self.ctx.stop is not None:
            corr = partial(self._corr, classes)
            judged = {"valid_sets": [self._stop_rows(self.ctx.stop)], "feval": corr}
            callbacks.append(lightgbm.early_stopping(self.ctx.stop_patience, verbose=False))
        start = time.perf_counter()
        with library_errors():
            booster = lightgbm.train(
                library, rows, num_boost_round=n_trees or rounds, callbacks=callbacks, **judged
            )
        if self.ctx.world.size > 1:
            booster.free_network()
        self.seconds += time.perf_counter() - start
        self._done += rounds
        self.ctx.progress(self._done, self.n_trees)
        return booster

    def _stop_rows(self, stop: EraFrame) -> Any:
        if self._stop is None:
            self._stop = self.binned.judged(stop, stop.target(self.ctx.target))
        return self._stop

    def _corr(self, classes: Classes | None, predictions: Any, _: Any) -> tuple[str, float, bool]:
        stop = self.ctx.stop
        assert stop is not None
        if classes is not None:  # probabilities
            predictions = predictions @ np.array(classes.values)
        scores = corr_per_era(predictions, stop.target(self.ctx.target), stop.offsets)
        # A member without a single split has no score: worse than any that has one.
        mean = float(np.nanmean(scores)) if np.isfinite(scores).any() else -1.0
        return "corr", mean, True
