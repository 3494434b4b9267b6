"""A finished run planned once more, on the rows it was made from."""

from __future__ import annotations

from dataclasses import replace

from numerai_lab.config import validate_params
from numerai_lab.data import Dataset, References, load_data, load_references
from numerai_lab.experiment.judging.baselines import dataset_for
from numerai_lab.experiment.judging.evaluate import data_as_read
from numerai_lab.experiment.plan import Prepared, looks_at_unlabelled, prepare, read_experiment
from numerai_lab.experiment.records import RunDir, check_same_data
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.models import get_model


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
        wanted = [*experiment.scoring.targets, *targets]
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
