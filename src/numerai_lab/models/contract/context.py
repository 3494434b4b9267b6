"""What a run tells a model besides its training rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from numerai_lab.arrays import Float32
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError, did_you_mean
from numerai_lab.models.contract.artefacts import Artefacts
from numerai_lab.models.contract.earlier import EarlierFit
from numerai_lab.models.contract.members import Members
from numerai_lab.models.contract.world import World


def _silent(*_: object) -> None:
    return None


@dataclass(frozen=True)
class FitContext:
    """What the run tells a model besides the training rows.

    Attributes
    ----------
    seed : derive every use of randomness from it with `seeds.child_seed`.
    target : the main target; its NaN rows have been dropped from the training rows.
    targets : all targets this model may train on, the main one first. Others may hold NaN:
        drop those rows for that target and count them in the report's notes.
    purge_eras : era numbers between training and judged eras; inner splits need as many.
    weights : float32 [n_rows] of the training frame, or None for equal weights.
    stop : labelled, purged eras for early stopping, or None.
    stop_patience : steps of the model (`info.unit`) without a new best before stopping.
    unlabelled : every row whose features are known before the first judged era, without targets:
        training eras, purged ones, rows without a label, in order of time. For the final model
        all rows there are. The run bounds it; a model that judges itself on some of its training
        eras must cut it before them. None unless `info.unlabelled`.
    members : what the members predicted of earlier folds' judged eras, as far as the labels of
        these were known before the first judged era; no rows in the first fold. For the final
        model that of all folds. None unless `info.needs_members`.
    earlier : the fits of earlier folds, oldest first, with their judged eras as far as the labels
        of these were known before the first judged era. Empty unless `info.earlier_fits`.
    replayed : how many of the eras given to `fit_more`, the first ones, were learnt from before
        (`info.replay`).
    artefacts : where what is expensive is made once and found again (pretrained weights), unless
        it saw more than this fit may. None unless `info.artefacts`.
    unfinished : a folder for what lets this fit go on after a kill, which need not exist yet: what
        is in it when `fit` begins was written by the same fit before, of the same config, seed and
        rows. Removed once the fitted model is kept. None where there is no such place. A model
        that fits others gives each of them a folder of its own (`part`).
    alone : nothing but the prediction counts, as of a model that goes live, or of a trial of a
        search: what only shows something is not fitted.
    sparing : one of several models of a run, as the members of a stack: where the same model can be
        had with less memory and some more time, take less memory.
    device, n_threads : where to compute; 0 threads means all cores.
    progress : call with (steps done, steps in all), in the model's unit (`info.unit`).
    pace : call with a few words about a step that takes long ("12,300 rows/s, 2 min left"), which
        stand beside the progress until the next ones.
    say : call with a sentence the user must see (a fall-back, a dropped column).
    world : the workers that fit this model together; the training rows are then the eras of one
        of them, `stop` is the same on each. Alone unless `info.in_parts`.
    feature_sets : every set of features by name, in the order of features.json, cut to the
        features that the data have; those trained on need not be among them.
    peers : the workers that hold the same rows and share the work out, as a `MemberModel` can.
    """

    seed: int
    target: str
    targets: tuple[str, ...]
    purge_eras: int
    weights: Float32 | None = None
    stop: EraFrame | None = None
    stop_patience: int = 0
    unlabelled: EraFrame | None = None
    members: Members | None = None
    earlier: tuple[EarlierFit, ...] = ()
    replayed: int = 0
    artefacts: Artefacts | None = None
    unfinished: Path | None = None
    alone: bool = False
    sparing: bool = False
    feature_sets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    device: Literal["cpu", "cuda"] = "cpu"
    n_threads: int = 0
    progress: Callable[[int, int], None] = _silent
    pace: Callable[[str], None] = _silent
    say: Callable[[str], None] = _silent
    world: World = field(default_factory=World)
    peers: World = field(default_factory=World)

    def need_targets(self, names: Iterable[str], where: str) -> None:
        """Raise ModelError, for the parameter `where`, if one is not among `targets`."""
        for name in names:
            if name not in self.targets:
                raise ModelError(
                    f"target '{name}' is not loaded (loaded: {', '.join(self.targets)})"
                    + did_you_mean(name, self.targets),
                    where=where,
                    fix="name it in data.targets, too",
                )

    def part(self, name: str) -> FitContext:
        """Return this context for a fit within this fit, which goes on from a folder of its own.

        Parameters
        ----------
        name : of that fit, which no other within this one has; a name for a folder.
        """
        place = None if self.unfinished is None else self.unfinished / name
        return replace(self, unfinished=place)

    def travelling(self, n_threads: int) -> FitContext:
        """Return this context for a worker: whole, but for what cannot go along.

        Artefacts stay here (`info.artefacts` is refused with workers), and so do members'
        predictions (what is made of them is fitted here). The worker adds its own rows' weights,
        the early-stopping rows and those without labels, which it reads by itself, whom it tells,
        and with whom it fits.
        """
        return replace(
            self,
            weights=None,
            stop=None,
            unlabelled=None,
            members=None,
            earlier=(),
            artefacts=None,
            unfinished=None,
            progress=_silent,
            pace=_silent,
            say=_silent,
            world=World(),
            peers=World(),
            n_threads=n_threads,
        )
