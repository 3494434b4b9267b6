"""How predictions are judged: scores per era, summaries with error bars, payouts."""

from numerai_lab.scoring.bootstrap import block_length, overlap_eras
from numerai_lab.scoring.correlation import (
    contribution_per_era,
    corr_per_era,
    pearson_per_era,
    spearman_per_era,
)
from numerai_lab.scoring.exposure import Exposure, exposure_per_era
from numerai_lab.scoring.metrics import METRICS, Metric
from numerai_lab.scoring.neutral import fnc_per_era, neutralize_per_era
from numerai_lab.scoring.payout import (
    PayoutRule,
    PayoutSimulation,
    payout_per_era,
    payout_rule,
    simulate_payout,
)
from numerai_lab.scoring.ranks import gaussian_rank_per_era, rank_per_era
from numerai_lab.scoring.summary import (
    Paired,
    Summary,
    long_run_std,
    paired,
    sharpe,
    summarize,
    verdict,
)
from numerai_lab.scoring.table import Scored, score_predictions

__all__ = [
    "METRICS",
    "Exposure",
    "Metric",
    "Paired",
    "PayoutRule",
    "PayoutSimulation",
    "Scored",
    "Summary",
    "block_length",
    "contribution_per_era",
    "corr_per_era",
    "exposure_per_era",
    "fnc_per_era",
    "gaussian_rank_per_era",
    "long_run_std",
    "neutralize_per_era",
    "overlap_eras",
    "paired",
    "payout_per_era",
    "payout_rule",
    "pearson_per_era",
    "rank_per_era",
    "score_predictions",
    "sharpe",
    "simulate_payout",
    "spearman_per_era",
    "summarize",
    "verdict",
]
