"""A small config with spaces, and one finished study of it."""

import pytest

from tune_lab import CONFIG, TRIALS, Lab


@pytest.fixture
def small(tmp_path, tournament) -> Lab:
    lab = Lab(tmp_path)
    lab.write(CONFIG.format(folder=tournament))
    return lab


@pytest.fixture(scope="session")
def finished(tmp_path_factory, tournament) -> tuple[Lab, dict]:
    """A study of `TRIALS` trials, made in one go; read it only."""
    lab = Lab(tmp_path_factory.mktemp("finished"))
    lab.write(CONFIG.format(folder=tournament))
    return lab, lab.tune("--trials", TRIALS)
