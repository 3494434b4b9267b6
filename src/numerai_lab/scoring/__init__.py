"""How predictions are judged: scores per era, summaries with error bars, payouts."""

from numerai_lab.scoring.aims import aim_per_era, aimed_label
from numerai_lab.scoring.bootstrap import block_length, interval_of_mean, overlap_eras
from numerai_lab.scoring.by_statistic import (
    MEAN,
    STATISTICS,
    drawn_statistic,
    paired_by,
    statistic_of,
)
from numerai_lab.scoring.class_scores import CLASS_SCORES, class_scores
from numerai_lab.scoring.correlation import (
    contribution_per_era,
    corr_per_era,
    pearson_per_era,
    spearman_per_era,
)
from numerai_lab.scoring.exposure import Exposure, exposure_per_era
from numerai_lab.scoring.level_change import LevelChange, level_change
from numerai_lab.scoring.luck import best_of_equals, deflated_sharpe, expected_best, moments
from numerai_lab.scoring.many import stepdown_of_draws, stepdown_p_values
from numerai_lab.scoring.metrics import METRICS, Metric
from numerai_lab.scoring.neutral import fnc_per_era, neutralize_per_era
from numerai_lab.scoring.on_scale import ON_SCALE, is_ranks, on_scale_per_era
from numerai_lab.scoring.paired import Paired, paired
from numerai_lab.scoring.payout import (
    PayoutRule,
    PayoutSimulation,
    payout_per_era,
    payout_rule,
    simulate_payout,
)
from numerai_lab.scoring.periods import Period, Rolling, rolling, thirds, years
from numerai_lab.scoring.portfolio import (
    Earned,
    Market,
    PortfolioSummary,
    hold,
    portfolio_weights,
    sharpe_difference,
    summarize_portfolio,
)
from numerai_lab.scoring.ranks import gaussian_rank_per_era, rank_per_era
from numerai_lab.scoring.seed_noise import (
    FEWEST_SEEDS,
    SeedNoise,
    noise_of_difference,
    seed_noise,
)
from numerai_lab.scoring.summary import Summary, long_run_std, sharpe, summarize
from numerai_lab.scoring.suspicion import Suspicion, accusation, suspect
from numerai_lab.scoring.table import Scored, score_predictions
from numerai_lab.scoring.verdict import smallest_detectable, verdict

__all__ = [
    "CLASS_SCORES",
    "FEWEST_SEEDS",
    "MEAN",
    "METRICS",
    "ON_SCALE",
    "STATISTICS",
    "Earned",
    "Exposure",
    "LevelChange",
    "Market",
    "Metric",
    "Paired",
    "PayoutRule",
    "PayoutSimulation",
    "Period",
    "PortfolioSummary",
    "Rolling",
    "Scored",
    "SeedNoise",
    "Summary",
    "Suspicion",
    "accusation",
    "aim_per_era",
    "aimed_label",
    "best_of_equals",
    "block_length",
    "class_scores",
    "contribution_per_era",
    "corr_per_era",
    "deflated_sharpe",
    "drawn_statistic",
    "expected_best",
    "exposure_per_era",
    "fnc_per_era",
    "gaussian_rank_per_era",
    "hold",
    "interval_of_mean",
    "is_ranks",
    "level_change",
    "long_run_std",
    "moments",
    "neutralize_per_era",
    "noise_of_difference",
    "on_scale_per_era",
    "overlap_eras",
    "paired",
    "paired_by",
    "payout_per_era",
    "payout_rule",
    "pearson_per_era",
    "portfolio_weights",
    "rank_per_era",
    "rolling",
    "score_predictions",
    "seed_noise",
    "sharpe",
    "sharpe_difference",
    "simulate_payout",
    "smallest_detectable",
    "spearman_per_era",
    "statistic_of",
    "stepdown_of_draws",
    "stepdown_p_values",
    "summarize",
    "summarize_portfolio",
    "suspect",
    "thirds",
    "verdict",
    "years",
]
