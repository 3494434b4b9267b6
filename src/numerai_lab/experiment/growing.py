"""`train --continue`: a final model, and the members it is made of, learn from new eras."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from numerai_lab.arrays import Eras, Float32
from numerai_lab.data import References
from numerai_lab.eraframe import EraFrame
from numerai_lab.errors import ModelError
from numerai_lab.experiment.final import FinalMember, FinalModel
from numerai_lab.experiment.history import keep_history
from numerai_lab.experiment.judging import dataset_for
from numerai_lab.experiment.member_references import references_of
from numerai_lab.experiment.member_runs import FOLDER, members_given
from numerai_lab.experiment.plan import Prepared, prepare, purge_eras
from numerai_lab.experiment.planned_fit import fit_context, rows_to_train_on
from numerai_lab.experiment.predicting import predict_with_past
from numerai_lab.experiment.records import DONE
from numerai_lab.experiment.reporter import Reporter, Stopwatch
from numerai_lab.experiment.training_label import eras_with, learnable_rows
from numerai_lab.files import write_json
from numerai_lab.models import (
    ContinuableModel,
    FitReport,
    Model,
    RememberingModel,
    cannot_go_on,
    size_and_unit,
    steps_for,
)
from numerai_lab.seeds import child_seed
from numerai_lab.splits import final_eras


@dataclass(frozen=True)
class Growing:
    """A final model, or a member of one, before it learns from new eras.

    Attributes
    ----------
    folder : where it is kept. facts : its fit.json.
    prepared : its experiment, planned on today's data.
    members : the models that it is made of, by name.
    """

    folder: Path
    model: Model
    facts: Mapping[str, Any]
    prepared: Prepared
    members: Mapping[str, Growing]

    @property
    def last_era(self) -> int:
        """The last era it has learnt from."""
        return int(self.facts["last_era"])

    @cached_property
    def new(self) -> EraFrame:
        """The later eras that its split trains on and whose label is known; there may be none."""
        frame = self.prepared.dataset.frame
        eras = final_eras(self.prepared.experiment.split, frame.eras)
        eras = eras[np.isin(eras, eras_with(self.prepared.label, frame))]
        return frame.select_eras(eras[eras > self.last_era])

    @cached_property
    def replayed(self) -> Eras:
        """Earlier eras, int32, to learn again beside the new ones (`info.replay`); drawn by seed.

        The draw depends on the newest era, so the next continuation draws others.
        """
        share, frame = self.prepared.info.replay, self.prepared.dataset.frame
        eras = final_eras(self.prepared.experiment.split, frame.eras)
        eras = eras[np.isin(eras, eras_with(self.prepared.label, frame)) & (eras <= self.last_era)]
        n = min(round(share / (1 - share) * self.new.n_eras), len(eras))
        seed = child_seed(self.prepared.experiment.seed, "replay", int(self.new.eras[-1]))
        return np.sort(np.random.default_rng(seed).choice(eras, n, replace=False))

    def with_earlier(self, eras: Eras) -> EraFrame:
        """Return some earlier eras, and the new ones after them."""
        frame = self.prepared.dataset.frame
        return frame.select_eras(np.concatenate([eras, self.new.eras]))

    def until(self, era: int) -> Growing:
        """Return it as it would be if no later era were known; its model is the same one."""
        dataset = self.prepared.dataset
        frame = dataset.frame.between(int(dataset.frame.eras[0]), era)
        prepared = replace(self.prepared, dataset=replace(dataset, frame=frame))
        members = {name: member.until(era) for name, member in self.members.items()}
        return replace(self, prepared=prepared, members=members)

    @property
    def unseen(self) -> EraFrame:
        """The new eras whose labels overlap with no label that it, or a member, has learnt from."""
        known = max([self.last_era, *(member.last_era for member in self.members.values())])
        return self.new.between(known + purge_eras(self.prepared) + 1, 2**31 - 1)

    @property
    def steps(self) -> int:
        """So many steps that an era among the new ones counts as much as one before."""
        share = self.new.n_eras / self.facts["train"]["n_eras"]
        model = cast(ContinuableModel, self.model)
        return steps_for(model, self.prepared.info.unit, self.new.n_eras, share)

    def predict(self, rows: EraFrame) -> Float32:
        """Predict whole eras after its last one, float32 [n_rows], without what it will learn."""
        if rows.n_eras == 0:
            return np.empty(0, dtype=np.float32)
        past = self.prepared.past
        if isinstance(self.model, RememberingModel):
            past = past.after(self.last_era)
        given = self.predict_members(rows) if self.members else None
        return predict_with_past(self.model, rows, past, given).predictions

    def predict_members(self, rows: EraFrame) -> dict[str, Float32]:
        """Predict rows with each member, by name."""
        return {
            name: member.predict(rows.with_features(member.facts["feature_names"]))
            for name, member in self.members.items()
        }


def check_continuable(final: FinalModel) -> None:
    """Raise ModelError if a final model cannot learn from new eras, or if no member of it can."""
    problem = cannot_go_on(final.model, final.experiment.model.type)
    if problem is None and final.members:
        each = [cannot_go_on(member.model, member.kind) for member in final.members.values()]
        problem = f"none of its members can go on: {each[0]}" if all(each) else None
    if problem is not None:
        raise ModelError(
            problem,
            where=str(final.run.path),
            fix="fit it anew on all eras with `numerai-lab train CONFIG --final`",
        )


def open_growing(final: FinalModel, prepared: Prepared, reporter: Reporter) -> Growing:
    """Open a final model to continue it, each member with the rows of its own config."""
    return _opened(final.run.final_dir, final.model, final.members, prepared, reporter)


def _opened(
    folder: Path,
    model: Model,
    members: Mapping[str, FinalMember],
    prepared: Prepared,
    reporter: Reporter,
) -> Growing:
    within = {}
    for name, resolved in prepared.member_configs.items():
        theirs = prepare(resolved, reporter, dataset_for(resolved, prepared.dataset))
        one = members[name]
        within[name] = _opened(folder / FOLDER / name, one.model, one.members, theirs, reporter)
    facts = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    return Growing(folder, model, facts, prepared, within)


def grow(
    growing: Growing,
    folder: Path,
    amount: int,
    references: References,
    reporter: Reporter,
    label: str = "",
) -> tuple[FitReport, dict[str, Any]]:
    """Continue a final model and its members; write `model/`, `members/` and `history/`.

    Parameters
    ----------
    folder : the new final model's. amount : steps, in the model's unit.
    label : put before every sentence that is said about it.

    Returns
    -------
    The model's report, and the content of the new fit.json.
    """
    watch = Stopwatch()
    said: list[str] = []

    def say(sentence: str) -> None:
        said.append(sentence)
        reporter.warn(label + sentence)

    prepared, facts = growing.prepared, dict(growing.facts)
    if growing.members:
        rows = growing.unseen
        known = references_of(rows, prepared, references)
        given = members_given(
            rows,
            np.zeros(rows.n_eras, dtype=np.int32),
            growing.predict_members(rows),
            # NaN where the aim's reference is not known: such eras give no weights, and are counted
            {**dict.fromkeys(prepared.info.references, np.full(rows.n_rows, np.nan)), **known},
            prepared,
        )
        prepared = replace(prepared, members=given)
        notes = [
            note
            for name, member in growing.members.items()
            for note in _grow_member(name, member, folder / FOLDER / name, references, reporter)
        ]
        for note in notes:
            say(note)
        facts["members"] = {
            name: {**told, "last_era": _last_era(folder / FOLDER / name)}
            for name, told in facts["members"].items()
        }
    old = growing.replayed
    eras = growing.with_earlier(old) if len(old) else growing.new
    taught = rows_to_train_on(learnable_rows(eras, prepared.label, say), prepared)
    new = taught.between(growing.last_era + 1, int(taught.eras[-1]))
    if len(old):
        say(f"{len(old)} earlier eras, {old[0]} to {old[-1]}, are learnt again beside the new ones")
    context = fit_context(taught, None, prepared, reporter.progress, say)
    context = replace(context, replayed=taught.n_eras - new.n_eras)
    model = cast(ContinuableModel, growing.model)
    report = model.fit_more(taught, context, amount)
    for sentence in report.notes:
        if sentence not in said:
            reporter.say(label + sentence)
    (folder / "model").mkdir(parents=True)
    model.save(folder / "model")
    size, _ = size_and_unit(facts)
    last = int(new.eras[-1])
    grown = asdict(report) | {
        "size": (size or 0) + report.size,
        "details": report.details or facts.get("details", {}),
        "notes": [*facts["notes"], *dict.fromkeys([*said, *report.notes])],
        **keep_history(folder, prepared, last),
        "fit_seconds": watch.seconds,
        "last_era": last,
        "train": {
            "first": facts["train"]["first"],
            "last": last,
            "n_eras": facts["train"]["n_eras"] + new.n_eras,
            "n_rows": facts["train"]["n_rows"] + new.n_rows,
        },
    }
    facts.pop("n_trees", None)  # of runs made when there was no `size`
    return report, {**facts, **grown}


def _grow_member(
    name: str, member: Growing, folder: Path, references: References, reporter: Reporter
) -> list[str]:
    """Continue a member if that is possible, else copy it and return why, as a list of notes."""
    problem = cannot_go_on(member.model, member.prepared.experiment.model.type)
    if problem is None and member.new.n_eras == 0:
        problem = "it has no new labelled era to learn from"
    if problem is not None:
        shutil.copytree(member.folder, folder, ignore=shutil.ignore_patterns(DONE, ".*"))
        return [f"member {name} stays as it was fitted up to era {member.last_era}: {problem}"]
    steps, unit = member.steps, member.prepared.info.unit
    reporter.work(f"member {name}: {steps} {unit} more", unit)
    _, facts = grow(member, folder, steps, references, reporter, f"member {name}: ")
    write_json(folder / "fit.json", facts)
    return []


def _last_era(folder: Path) -> int:
    return int(json.loads((folder / "fit.json").read_text(encoding="utf-8"))["last_era"])
