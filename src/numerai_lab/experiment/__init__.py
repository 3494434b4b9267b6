"""From config to artefacts: plan folds, train, evaluate, compare, the run directory."""

from numerai_lab.experiment.cluster import Cluster, ClusterExecutor, open_cluster
from numerai_lab.experiment.continuing import continue_run
from numerai_lab.experiment.executor import Executor, Here
from numerai_lab.experiment.final import (
    FinalMember,
    FinalModel,
    find_final,
    load_final,
    neutralize_and_rank,
    predict_final,
    predict_members,
)
from numerai_lab.experiment.judging import (
    Evaluated,
    EvaluateOptions,
    brief_of_test,
    compare,
    era_bound,
    evaluate,
    evaluate_test,
    list_runs,
    suspected,
    told_of_seeds,
    told_of_test,
    variants_of,
)
from numerai_lab.experiment.live import with_earlier_eras
from numerai_lab.experiment.plan import Prepared, fold_facts, prepare, read_experiment
from numerai_lab.experiment.records import (
    RunDir,
    check_verifiable,
    find_run,
    say_if_unverifiable,
    trust,
)
from numerai_lab.experiment.reporter import Reporter
from numerai_lab.experiment.several_seeds import train_seeds
from numerai_lab.experiment.stopped import told_how_to_go_on
from numerai_lab.experiment.train import TrainOptions, train

__all__ = [
    "Cluster",
    "ClusterExecutor",
    "EvaluateOptions",
    "Evaluated",
    "Executor",
    "FinalMember",
    "FinalModel",
    "Here",
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
    "predict_members",
    "prepare",
    "read_experiment",
    "say_if_unverifiable",
    "suspected",
    "told_how_to_go_on",
    "told_of_seeds",
    "told_of_test",
    "train",
    "train_seeds",
    "trust",
    "variants_of",
    "with_earlier_eras",
]
