import pytest

from price_files import make, price_table


@pytest.fixture(scope="session")
def prices():
    """Daily prices without a fault; copy before changing."""
    return price_table()


@pytest.fixture(scope="session")
def made(tmp_path_factory, prices):
    """Weekly rows of them; read only."""
    return make(tmp_path_factory.mktemp("prices"), prices)
