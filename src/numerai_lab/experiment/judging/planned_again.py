"""A finished run planned once more, on the rows it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numerai_lab.config import Data, RemoteFile, validate_params
from numerai_lab.data import Dataset, References, is_cache, load_data, load_references
from numerai_lab.errors import RunError
from numerai_lab.experiment.judging.baselines import dataset_for
from numerai_lab.experiment.member_configs import learnt_beside
from numerai_lab.experiment.plan import Prepared, looks_at_unlabelled, prepare, read_experiment
from numerai_lab.experiment.records import RunDir, check_has_model, check_same_data
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.models import Model, get_model


def planned_again(
    run: RunDir,
    loaded: Dataset | None,
    targets: tuple[str, ...],
    reporter: Reporter,
    fix: str,
) -> tuple[Prepared, References]:
    """Plan a run again.

    Parameters
    ----------
    loaded : rows of the same files that are loaded already, if they will do.
    targets : to be loaded beside those of the config. fix : the way out where data have changed.

    Raises
    ------
    RunError : the data are not those that the run was made from, or its config is damaged.
    """
    resolved = read_experiment(str(run.checked(run.path / "resolved.yaml")), None, ())
    experiment = resolved.experiment
    section = data_as_read(experiment.data, run.manifest()["data"])
    resolved = replace(resolved, experiment=experiment.model_copy(update={"data": section}))
    dataset = None if loaded is None else dataset_for(resolved, loaded)
    if dataset is None:
        wanted = [*experiment.scoring.targets, *targets, *learnt_beside(experiment)]
        kind = get_model(experiment.model.type)
        params = validate_params(kind.Params, resolved)
        dataset = load_data(
            section,
            say=reporter.say,
            targets=wanted,
            keep_unlabelled=looks_at_unlabelled(kind, params),
        )
    references = load_references(dataset, reporter.say)
    check_same_data(run, dataset, references, fix)
    return prepare(resolved, reporter, dataset), references


def fold_model(run: RunDir, prepared: Prepared, fold: int) -> tuple[Model, dict[str, Any]]:
    """Load the model of a fold, with its fit.json.

    Parameters
    ----------
    prepared : the run, planned again. fold : its number, one of the manifest's.

    Raises
    ------
    RunError : as of `checked_fold`.
    """
    folder = checked_fold(run, fold)
    facts: dict[str, Any] = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    return prepared.model_class.load(folder / "model"), facts


def checked_fold(run: RunDir, fold: int) -> Path:
    """Return the folder of a fold whose files are as they were written.

    Raises
    ------
    RunError : its model is damaged or gone, or the run never had one.
    """
    manifest = run.manifest()
    if "continued" in manifest:
        raise RunError(
            "grew another run's final model, and keeps no model of a fold",
            where=str(run.path),
            fix=f"name that run: {manifest['continued']['parent']}",
        )
    check_has_model(run)
    folder = run.fold_dir(fold)
    if not folder.is_dir():
        raise RunError(
            f"has no fold {fold}", where=str(run.path), fix=f"make it with `{run.completing()}`"
        )
    run.check_part(folder)
    return folder


def data_as_read(section: Data, facts: Mapping[str, Any]) -> Data:
    """The data section with source and places as the run found them, wherever we are now."""
    # What the files hold (facts["source"]) does not tell how they were found.
    changes: dict[str, Any] = {"source": section.source}
    if section.source == "prices":  # what was made of them, whatever the prices are today
        folder = Path(facts["folder"])
        changes["dir"] = folder if folder.is_dir() else folder.parent.parent
    elif facts["folder"] is None:
        # a URL is taken from the config: in the manifest it has lost its password and signature
        remote = (file for file in section.files if isinstance(file, RemoteFile))
        paths = [file["path"] for file in facts["files"]]
        changes["files"] = [next(remote) if "://" in path else Path(path) for path in paths]
    elif section.source != "numerai" and is_cache(Path(facts["folder"])):
        # <dir>/synthetic/<hash>, made anew if it is gone
        changes |= {"source": "synthetic", "dir": Path(facts["folder"]).parent.parent}
    else:
        changes |= {"source": "numerai", "dir": Path(facts["folder"])}
    return section.model_copy(update=changes)
