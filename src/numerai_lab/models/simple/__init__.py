"""`ridge`, `max_sharpe`: linear models from sums over eras, fitted in one pass over the rows."""

from numerai_lab.models.simple.max_sharpe import MaxSharpe
from numerai_lab.models.simple.ridge import Ridge

__all__ = ["MaxSharpe", "Ridge"]
