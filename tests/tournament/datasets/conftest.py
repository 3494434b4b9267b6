"""Downloads from the stand-in, with waits that take no time."""

import pytest

from numerai_lab.tournament.server.api import Tournament


@pytest.fixture
def api(stand_in):
    with Tournament(url=stand_in.url, timeout_seconds=20, sleep=lambda _: None) as tournament:
        yield tournament
