"""A search over a config's spaces: purged inner folds, trials that resume, one tuned config."""

from numerai_lab.tuning.result import Result
from numerai_lab.tuning.study import TuneOptions, tune

__all__ = ["Result", "TuneOptions", "tune"]
