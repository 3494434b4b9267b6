"""A model that follows what rows are about: refused where data do not tell."""

import pytest

from following_model import Follows
from numerai_lab.config import config_hash
from numerai_lab.data import load_data
from numerai_lab.errors import ModelError
from numerai_lab.experiment import Reporter, prepare, read_experiment
from numerai_lab.models import check_model

TTL = "[numerai_lab.models]\nfollows = following_model:Follows\n"


def test_it_is_tried_on_rows_with_entities():
    check_model(Follows)


def test_it_is_refused_where_nothing_can_be_followed(tmp_path, monkeypatch, tiny_config):
    info = tmp_path / "installed" / "follows-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: follows\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(TTL)
    monkeypatch.syspath_prepend(tmp_path / "installed")
    config = read_experiment(str(tiny_config), None, ("model={type: follows}",))
    with (
        Reporter(quiet=True) as reporter,
        pytest.raises(ModelError, match="Numerai's ids are drawn anew for every era") as refused,
    ):
        prepare(config, reporter)
    assert refused.value.where == "data.entity"


def test_a_config_names_them_and_others_keep_their_hash(tiny_config, tournament):
    def read(*settings):
        return read_experiment(str(tiny_config), None, settings).experiment

    files = ("data.source=parquet", f"data.files=[{tournament / 'train.parquet'}]")
    plain, named = read(*files), read(*files, "data.entity=id", "data.side=[era]")
    assert config_hash(plain) == config_hash(read(*files, "data.side=[]"))
    assert config_hash(plain) != config_hash(named)
    assert load_data(named.data, say=lambda _: None).frame.entity is not None
