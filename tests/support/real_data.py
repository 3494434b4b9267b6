"""Where real rows lie for the tests that want them, and the mark that skips them loudly."""

from pathlib import Path

import pytest

MARKET = Path(__file__).parents[2] / ".." / "shared" / "data" / "market"
BENCHMARKS = ["v53_lgbm_ender20", "v53_lgbm_ender60"]

needs_market = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        not (MARKET / "validation.parquet").exists(),
        reason="the market data is not there: put it at ../shared/data/market",
    ),
]
