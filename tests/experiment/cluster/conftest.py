"""A Dask cluster of two processes here, and the tiny experiment trained on it."""

from functools import partial

import pytest

from cluster_lab import local_workers, train_tiny


@pytest.fixture(scope="package")
def cluster():
    with local_workers() as opened:
        yield opened


@pytest.fixture
def train(tmp_path, tiny_config):
    return partial(train_tiny, tiny_config, tmp_path)
