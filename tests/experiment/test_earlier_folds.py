"""A fold is told of earlier folds only what was known before its first judged era."""

import numpy as np
import pytest

import earlier_model
from earlier_model import Asking
from plugins import install_model

CONFIG = """\
name: asking
data: {{source: numerai, dir: "{folder}"}}
split: {{type: walk_forward, first_train_eras: 20, chunk_eras: 10, purge_eras: 4}}
scoring: {{exposure: false, fnc_feature_set: none, benchmark: none, bootstrap: {{samples: 100}}}}
threads: 1
model: {{type: asking}}
"""


@pytest.fixture
def told(lab, tournament, tmp_path, monkeypatch):
    install_model(tmp_path / "installed", "asking", "earlier_model:Asking")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    config = tmp_path / "asking.yaml"
    config.write_text(CONFIG.format(folder=tournament))
    earlier_model.TOLD.clear()
    result = lab("train", config, "--final", "--runs-dir", tmp_path / "runs", "--json")
    assert result.code == 0, result.err
    return list(earlier_model.TOLD)


def test_labels_up_to_a_purge_before_the_first_judged_era_and_the_model_as_it_was(told):
    """Folds judge 21-30, 31-40, 41-50, 51-60 (57-60 have no label), trained to 4 before each."""
    folds, final = told[:-1], told[-1]
    assert [last for last, _ in folds] == [16, 26, 36, 46]
    for index, (_, earlier) in enumerate(folds):
        assert [trained_to for trained_to, *_ in earlier] == [16, 26, 36][:index]
        known = [era for _, eras, *_ in earlier for era in eras]
        assert known == [*range(21, 21 + 10 * index - 4)]  # the purge before 21 + 10 index
        for _, _, kind, targets in earlier:
            assert kind is Asking
            assert np.isfinite(targets[:, 0]).all()
    last, earlier = final
    assert last == 56
    assert [era for _, eras, *_ in earlier for era in eras] == [*range(21, 57)]
