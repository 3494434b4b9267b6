"""Daily prices turned into weekly rows in Numerai's layout: checks, features, targets, a cache."""

from numerai_lab.data.prices.cache import (
    LIVE,
    RETURNS,
    PriceFolder,
    is_made_of_prices,
    price_folder,
)
from numerai_lab.data.prices.earned import WeeklyReturns, weekly_returns_of
from numerai_lab.data.prices.kept import PricesFound, list_price_folders, remove_price_folder
from numerai_lab.data.prices.made_up import made_up_prices
from numerai_lab.data.prices.raw import holds_prices
from numerai_lab.data.prices.telling import told_counts

__all__ = [
    "LIVE",
    "RETURNS",
    "PriceFolder",
    "PricesFound",
    "WeeklyReturns",
    "holds_prices",
    "is_made_of_prices",
    "list_price_folders",
    "made_up_prices",
    "price_folder",
    "remove_price_folder",
    "told_counts",
    "weekly_returns_of",
]
