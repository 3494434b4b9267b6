"""From config to artefacts: plan folds, train, evaluate, compare, the run directory."""

from numerai_lab.experiment.cluster import Cluster, ClusterExecutor, open_cluster
from numerai_lab.experiment.continuing import continue_run
from numerai_lab.experiment.costs import memory_of_fits, seconds_of_last_run
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
from numerai_lab.experiment.importing import import_predictions
from numerai_lab.experiment.judging import (
    Evaluated,
    EvaluateOptions,
    Judged,
    Series,
    brief_of_test,
    compare,
    compare_series,
    era_bound,
    evaluate,
    evaluate_test,
    judge_predictions,
    judged_columns,
    list_runs,
    read_series,
    series_of,
    suspected,
    told_of_seeds,
    told_of_test,
    variants_of,
    without,
)
from numerai_lab.experiment.live import with_earlier_eras
from numerai_lab.experiment.live_files import (
    live_file,
    read_live,
    version_of_data,
    version_of_run,
)
from numerai_lab.experiment.member_references import judged_references
from numerai_lab.experiment.member_runs import out_of_fold
from numerai_lab.experiment.memory_check import check_memory
from numerai_lab.experiment.needed_runs import ensure_members
from numerai_lab.experiment.opened import OpenedModel, open_fold
from numerai_lab.experiment.opened_final import open_final
from numerai_lab.experiment.plan import (
    Prepared,
    files_made_with,
    fold_facts,
    prepare,
    purge_eras,
    quickly,
    read_experiment,
)
from numerai_lab.experiment.planned_fit import plan_fit
from numerai_lab.experiment.predicting import predict_eras
from numerai_lab.experiment.records import (
    DataIdentity,
    Predictions,
    RunDir,
    check_verifiable,
    data_facts,
    data_identity,
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
    "DataIdentity",
    "EvaluateOptions",
    "Evaluated",
    "Executor",
    "FinalMember",
    "FinalModel",
    "Here",
    "Judged",
    "OpenedModel",
    "Predictions",
    "Prepared",
    "Reporter",
    "RunDir",
    "Series",
    "Stopwatch",
    "TrainOptions",
    "brief_of_test",
    "check_memory",
    "check_verifiable",
    "compare",
    "compare_series",
    "continue_run",
    "data_facts",
    "data_identity",
    "ensure_members",
    "era_bound",
    "evaluate",
    "evaluate_test",
    "files_made_with",
    "find_final",
    "find_run",
    "fingerprint",
    "fold_facts",
    "git_state",
    "import_predictions",
    "judge_predictions",
    "judged_columns",
    "judged_references",
    "list_runs",
    "live_file",
    "load_final",
    "locked",
    "machine",
    "memory_of_fits",
    "neutralize_and_rank",
    "open_cluster",
    "open_final",
    "open_fold",
    "out_of_fold",
    "plan_fit",
    "predict_eras",
    "predict_final",
    "predict_members",
    "prepare",
    "purge_eras",
    "quickly",
    "read_experiment",
    "read_explanations",
    "read_live",
    "read_predictions",
    "read_series",
    "say_if_unverifiable",
    "seconds_of_last_run",
    "series_of",
    "suspected",
    "told_how_to_go_on",
    "told_of_seeds",
    "told_of_test",
    "train",
    "train_seeds",
    "trust",
    "variants_of",
    "version_of_data",
    "version_of_run",
    "versions",
    "with_earlier_eras",
    "without",
    "write_explanation",
]
