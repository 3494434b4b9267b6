"""A stand-in whose time a test file moves as it likes."""

import pytest

from stand_in import StandIn


@pytest.fixture(scope="module")
def server(tournament, forks):
    found = StandIn.start(tournament, forks)
    yield found
    found.stop()
