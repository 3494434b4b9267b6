"""From config to artefacts: plan folds, train, evaluate, compare, the run directory."""

from numerai_lab.experiment.cluster import Cluster, open_cluster
from numerai_lab.experiment.compare import compare
from numerai_lab.experiment.continuing import continue_run
from numerai_lab.experiment.era_bounds import era_bound
from numerai_lab.experiment.evaluate import (
    Evaluated,
    EvaluateOptions,
    evaluate,
)
from numerai_lab.experiment.final import (
    FinalModel,
    find_final,
    load_final,
    neutralize_and_rank,
    predict_final,
)
from numerai_lab.experiment.judge import suspected
from numerai_lab.experiment.listing import list_runs
from numerai_lab.experiment.looks import brief_of_test, told_of_test
from numerai_lab.experiment.plan import Prepared, fold_facts, prepare, read_experiment
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.experiment.rundir import RunDir, find_run, say_if_unverifiable
from numerai_lab.experiment.sealing import check_verifiable, trust
from numerai_lab.experiment.stopped import told_how_to_go_on
from numerai_lab.experiment.tested import evaluate_test
from numerai_lab.experiment.train import TrainOptions, train
from numerai_lab.experiment.variants import variants_of

__all__ = [
    "Cluster",
    "EvaluateOptions",
    "Evaluated",
    "FinalModel",
    "Prepared",
    "Reporter",
    "RunDir",
    "TrainOptions",
    "brief_of_test",
    "check_verifiable",
    "compare",
    "continue_run",
    "era_bound",
    "evaluate",
    "evaluate_test",
    "find_final",
    "find_run",
    "fold_facts",
    "list_runs",
    "load_final",
    "neutralize_and_rank",
    "open_cluster",
    "predict_final",
    "prepare",
    "read_experiment",
    "say_if_unverifiable",
    "suspected",
    "told_how_to_go_on",
    "told_of_test",
    "train",
    "trust",
    "variants_of",
]
