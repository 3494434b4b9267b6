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
    judged_columns,
    list_runs,
    suspected,
    told_of_seeds,
    told_of_test,
    variants_of,
)
from numerai_lab.experiment.live import with_earlier_eras
from numerai_lab.experiment.memory_check import check_memory
from numerai_lab.experiment.opened import OpenedFold, open_fold
from numerai_lab.experiment.plan import (
    Prepared,
    files_made_with,
    fold_facts,
    prepare,
    purge_eras,
    read_experiment,
)
from numerai_lab.experiment.planned_fit import plan_fit
from numerai_lab.experiment.predicting import predict_eras
from numerai_lab.experiment.records import (
    RunDir,
    check_verifiable,
    find_run,
    fingerprint,
    git_state,
    locked,
    machine,
    read_explanations,
    read_predictions,
    say_if_unverifiable,
    trust,
    versions,
    write_explanation,
)
from numerai_lab.experiment.reporter import Reporter, Stopwatch
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
    "OpenedFold",
    "Prepared",
    "Reporter",
    "RunDir",
    "Stopwatch",
    "TrainOptions",
    "brief_of_test",
    "check_memory",
    "check_verifiable",
    "compare",
    "continue_run",
    "era_bound",
    "evaluate",
    "evaluate_test",
    "files_made_with",
    "find_final",
    "find_run",
    "fingerprint",
    "fold_facts",
    "git_state",
    "judged_columns",
    "list_runs",
    "load_final",
    "locked",
    "machine",
    "neutralize_and_rank",
    "open_cluster",
    "open_fold",
    "plan_fit",
    "predict_eras",
    "predict_final",
    "predict_members",
    "prepare",
    "purge_eras",
    "read_experiment",
    "read_explanations",
    "read_predictions",
    "say_if_unverifiable",
    "suspected",
    "told_how_to_go_on",
    "told_of_seeds",
    "told_of_test",
    "train",
    "train_seeds",
    "trust",
    "variants_of",
    "versions",
    "with_earlier_eras",
    "write_explanation",
]
