"""`train --seeds N`: the same experiment with several seeds, each a run of its own."""

from __future__ import annotations

from dataclasses import replace

from numerai_lab.config import Resolved
from numerai_lab.data import Dataset, load_references
from numerai_lab.errors import UserError
from numerai_lab.experiment.beginning import TrainOptions
from numerai_lab.experiment.judging import measure_seeds
from numerai_lab.experiment.needed_runs import ensure_run
from numerai_lab.experiment.plan import load_rows
from numerai_lab.experiment.records import RunDir
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.experiment.train import train
from numerai_lab.scoring import FEWEST_SEEDS
from numerai_lab.seeds import child_seed


def train_seeds(
    resolved: Resolved, n_seeds: int, options: TrainOptions, reporter: Reporter
) -> tuple[RunDir, ...]:
    """Train an experiment with its own seed and others; write what they scored into the first run.

    A finished run with a seed, on the same data, is found again, and one that was stopped goes
    on. With `final` the run with the config's own seed gets the final model, and no other.

    Returns
    -------
    The runs, that with the config's own seed first.

    Raises
    ------
    UserError : fewer than two seeds. Others as `train` does.
    """
    if n_seeds < FEWEST_SEEDS:
        raise UserError(
            f"{n_seeds} is too few: what a seed changes is told by two or more",
            where="--seeds",
            fix="give --seeds 5, or leave it out",
        )
    own = resolved.experiment.seed
    dataset = load_rows(resolved, reporter)
    references = load_references(dataset, lambda _: None)

    def train_one(
        other: Resolved, dataset: Dataset | None, run: RunDir | None = None, *, final: bool
    ) -> RunDir:
        path = None if run is None else run.path
        theirs = replace(
            options,
            run_dir=path,
            resume=run is not None,
            final=final,
            reseeded_from=None if other.experiment.seed == own else own,
        )
        return train(other, theirs, reporter.child(), dataset)

    seeds = [own, *(child_seed(own, "seeds", i) for i in range(1, n_seeds))]
    if options.final:
        reporter.say(f"only the run with seed {own} gets a final model")
    runs = tuple(
        ensure_run(
            f"seed {seed}",
            with_seed(resolved, seed),
            dataset,
            references,
            options.runs_dir,
            train_one,
            reporter,
            final=options.final and seed == own,
        )
        for seed in seeds
    )
    measure_seeds(runs[0], runs[1:], resolved.experiment.scoring.bootstrap)
    return runs


def with_seed(resolved: Resolved, seed: int) -> Resolved:
    """Return an experiment with another seed, which is compared with nothing but its own kind."""
    if seed == resolved.experiment.seed:
        return resolved
    changes = {"seed": seed, "compare_to": []}
    return replace(resolved, experiment=resolved.experiment.model_copy(update=changes))
