"""A Dask cluster of two processes here, and the tiny experiment trained on it."""

from functools import cache, partial

import pytest

from cluster_lab import local_workers, train_tiny
from tiny import TINY_CONFIG


@pytest.fixture(scope="package")
def cluster():
    with local_workers() as opened:
        yield opened


@pytest.fixture
def train(tmp_path, tiny_config):
    return partial(train_tiny, tiny_config, tmp_path)


@pytest.fixture(scope="package")
def here(tmp_path_factory, tournament):
    """Runs without a cluster, by their settings, each trained once; read them only."""
    folder = tmp_path_factory.mktemp("here")
    config = folder / "tiny.yaml"
    config.write_text(TINY_CONFIG.format(folder=tournament))

    @cache
    def trained(*settings, **options):
        return train_tiny(config, folder, "runs", *settings, **options)

    return trained
