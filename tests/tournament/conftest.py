"""A stand-in whose time a test file moves as it likes; a project whose slot is refreshed."""

import shutil

import pytest

from refresh_lab import CONFIG, write_eras
from stand_in import StandIn


@pytest.fixture(scope="module")
def server(tournament, forks):
    found = StandIn.start(tournament, forks)
    yield found
    found.stop()


@pytest.fixture(scope="module")
def begun(tmp_path_factory, tournament):
    """A project whose final model is of eras up to 36, made once."""
    from numerai_lab.cli import run

    folder = tmp_path_factory.mktemp("refresh")
    write_eras(tournament, folder / "data" / "v5.3", 36)
    config = folder / "live.yaml"
    config.write_text(CONFIG.format(folder=folder / "data"))
    assert run(["train", str(config), "--final", "-q", "--runs-dir", str(folder / "runs")]) == 0
    (folder / "submit.yaml").write_text('slots: [{name: alpha, run: "latest:live"}]\n')
    return folder


@pytest.fixture
def project(begun, lab, monkeypatch, tournament):
    """That project as it was, and `refresh` in it."""
    kept = begun / "kept"
    if not kept.exists():
        shutil.copytree(begun / "runs", kept)
    shutil.rmtree(begun / "runs")
    shutil.copytree(kept, begun / "runs")
    write_eras(tournament, begun / "data" / "v5.3", 36)
    (begun / "data" / "numerai_data.lock.json").unlink(missing_ok=True)
    monkeypatch.chdir(begun)

    def refresh(*more):
        return lab("refresh", "alpha", "--config", "submit.yaml", *more, "--json")

    return begun, refresh
