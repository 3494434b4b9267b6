"""From config to artefacts: plan folds, train, evaluate, compare, the run directory."""

from numerai_lab.experiment.cluster import Cluster, open_cluster
from numerai_lab.experiment.compare import compare, list_runs
from numerai_lab.experiment.evaluate import Evaluated, EvaluateOptions, evaluate
from numerai_lab.experiment.plan import Prepared, fold_facts, prepare, read_experiment
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.experiment.rundir import RunDir, find_run
from numerai_lab.experiment.train import TrainOptions, train

__all__ = [
    "Cluster",
    "EvaluateOptions",
    "Evaluated",
    "Prepared",
    "Reporter",
    "RunDir",
    "TrainOptions",
    "compare",
    "evaluate",
    "find_run",
    "fold_facts",
    "list_runs",
    "open_cluster",
    "prepare",
    "read_experiment",
    "train",
]
