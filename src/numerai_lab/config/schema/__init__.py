"""The schema of an experiment's YAML, a module for each section or a few that belong together."""

from numerai_lab.config.schema.base import EraRange, Positive, Section
from numerai_lab.config.schema.columns import Columns, EraColumn, EraFormat
from numerai_lab.config.schema.data import Data, Store, Synthetic
from numerai_lab.config.schema.experiment import (
    EXPERIMENT_NAME,
    RESIDUAL,
    Experiment,
    ModelSection,
    ResidualOfRun,
)
from numerai_lab.config.schema.prices import (
    ENTITY,
    SIDE,
    SIGNALS,
    MadeUpPrices,
    PriceColumns,
    Prices,
    PriceTargets,
)
from numerai_lab.config.schema.rows import EraSelection, Missing, Rows
from numerai_lab.config.schema.scoring import Bootstrap, Neutralize, Payout, Portfolio, Scoring
from numerai_lab.config.schema.split import (
    BlockedSplit,
    EarlyStopping,
    HoldoutSplit,
    OfficialSplit,
    Split,
    WalkForwardSplit,
    Weights,
)
from numerai_lab.config.schema.tune import Aim, Tune, Tuned

__all__ = [
    "ENTITY",
    "EXPERIMENT_NAME",
    "RESIDUAL",
    "SIDE",
    "SIGNALS",
    "Aim",
    "BlockedSplit",
    "Bootstrap",
    "Columns",
    "Data",
    "EarlyStopping",
    "EraColumn",
    "EraFormat",
    "EraRange",
    "EraSelection",
    "Experiment",
    "HoldoutSplit",
    "MadeUpPrices",
    "Missing",
    "ModelSection",
    "Neutralize",
    "OfficialSplit",
    "Payout",
    "Portfolio",
    "Positive",
    "PriceColumns",
    "PriceTargets",
    "Prices",
    "ResidualOfRun",
    "Rows",
    "Scoring",
    "Section",
    "Split",
    "Store",
    "Synthetic",
    "Tune",
    "Tuned",
    "WalkForwardSplit",
    "Weights",
]
