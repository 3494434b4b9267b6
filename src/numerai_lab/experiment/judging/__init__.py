"""How predictions are judged: scores, comparisons, lists of runs, post-processing."""

from numerai_lab.experiment.judging.baselines import (
    aligned_baseline,
    dataset_for,
    differs_from_variant,
    features_for,
)
from numerai_lab.experiment.judging.choosing import GROUPS, Choice, choose
from numerai_lab.experiment.judging.compare import compare_series, open_sides
from numerai_lab.experiment.judging.era_bounds import era_bound
from numerai_lab.experiment.judging.evaluate import (
    Evaluated,
    EvaluateOptions,
    baselines_of,
    evaluate,
    judge_predictions,
    judge_run,
)
from numerai_lab.experiment.judging.judge import Judged, suspected
from numerai_lab.experiment.judging.listing import list_runs, list_settings
from numerai_lab.experiment.judging.looks import begin_looks, brief_of_test, has_test, told_of_test
from numerai_lab.experiment.judging.planned_again import (
    checked_fold,
    data_as_read,
    fold_model,
    planned_again,
)
from numerai_lab.experiment.judging.postprocess import (
    benchmark_ranks,
    check_judging,
    judged_columns,
    neutralizer_names,
    without,
)
from numerai_lab.experiment.judging.seeds import measure_seeds, told_of_seeds
from numerai_lab.experiment.judging.series import (
    Series,
    in_words,
    main_scores,
    read_series,
    scored_eras,
    series_of,
)
from numerai_lab.experiment.judging.side_by_side import SideBySide, correlations, side_by_side
from numerai_lab.experiment.judging.summaries import MAIN
from numerai_lab.experiment.judging.tested import evaluate_test
from numerai_lab.experiment.judging.variants import variant_facts, variants_of

__all__ = [
    "GROUPS",
    "MAIN",
    "Choice",
    "EvaluateOptions",
    "Evaluated",
    "Judged",
    "Series",
    "SideBySide",
    "aligned_baseline",
    "baselines_of",
    "begin_looks",
    "benchmark_ranks",
    "brief_of_test",
    "check_judging",
    "checked_fold",
    "choose",
    "compare_series",
    "correlations",
    "data_as_read",
    "dataset_for",
    "differs_from_variant",
    "era_bound",
    "evaluate",
    "evaluate_test",
    "features_for",
    "fold_model",
    "has_test",
    "in_words",
    "judge_predictions",
    "judge_run",
    "judged_columns",
    "list_runs",
    "list_settings",
    "main_scores",
    "measure_seeds",
    "neutralizer_names",
    "open_sides",
    "planned_again",
    "read_series",
    "scored_eras",
    "series_of",
    "side_by_side",
    "suspected",
    "told_of_seeds",
    "told_of_test",
    "variant_facts",
    "variants_of",
    "without",
]
