"""The API client at the stand-in, with waits that take no time."""

import pytest

from numerai_lab.tournament.server.api import Tournament
from stand_in import KEYS


class Waits:
    """A sleep that returns at once and remembers."""

    def __init__(self):
        self.seconds = []

    def __call__(self, seconds):
        self.seconds.append(seconds)


@pytest.fixture
def waits():
    return Waits()


@pytest.fixture
def api(stand_in, waits):
    with Tournament(KEYS, url=stand_in.url, timeout_seconds=20, sleep=waits) as tournament:
        yield tournament
