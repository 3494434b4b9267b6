"""More trees on new eras: exactly so many, on top of those that are there."""

import numpy as np
import pytest

from data_files import load, numerai_folder, table
from numerai_lab.errors import ModelError
from numerai_lab.models import ContinuableModel, FitContext, get_model

PARAMS = {
    "xgb": {"num_boost_round": 6, "max_depth": 3},
    "lgbm_ensemble": {"weights": "equal", "seeds": 2, "lightgbm": {"num_iterations": 6}},
}


def context(train, **more):
    return FitContext(
        seed=0, target="target", targets=("target",), purge_eras=4, n_threads=1, **more
    )


@pytest.fixture
def frame(tmp_path):
    rows = table(n_eras=30, rows=60, n_features=6)
    rows["target"] = ((rows["feature_0"] + rows["feature_1"]) / 8).astype(np.float32)
    return load(dir=numerai_folder(tmp_path / "data", train=rows)).frame


def fitted(name, frame):
    model = get_model(name)(get_model(name).Params.model_validate(PARAMS[name]))
    model.fit(frame, context(frame))
    return model


@pytest.mark.parametrize("name", PARAMS)
def test_exactly_so_many_trees_are_added_and_the_old_ones_stay(name, frame, tmp_path):
    old, new = frame.between(1, 20), frame.between(21, 30)
    model = fitted(name, old)
    (tmp_path / "before").mkdir()
    model.save(tmp_path / "before")
    assert isinstance(model, ContinuableModel)
    report = model.fit_more(new, context(new), 3)
    (tmp_path / "after").mkdir()
    model.save(tmp_path / "after")
    if name == "xgb":
        import xgboost

        before, after = (
            xgboost.Booster(model_file=tmp_path / when / "booster.ubj")
            for when in ("before", "after")
        )
        assert report.size == 3
        assert after.num_boosted_rounds() == 9
        assert after[:6].get_dump() == before.get_dump()
    else:
        import lightgbm

        assert report.size == 6
        for member in ("00.txt", "01.txt"):
            before, after = (
                lightgbm.Booster(model_file=tmp_path / when / "members" / member)
                for when in ("before", "after")
            )
            assert after.num_trees() == 9
            rows = frame.features.astype(float)
            np.testing.assert_allclose(
                after.predict(rows, num_iteration=6), before.predict(rows), atol=1e-7
            )
    again = type(model).load(tmp_path / "after")
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))


def test_the_new_trees_learn_from_the_new_eras(frame):
    old, new = frame.between(1, 20), frame.between(21, 30)
    model = fitted("xgb", old)
    error = np.mean((model.predict(new) - new.target("target")) ** 2)
    model.fit_more(new, context(new), 20)
    assert np.mean((model.predict(new) - new.target("target")) ** 2) < 0.9 * error


def test_a_member_without_new_eras_stays_and_says_so(frame):
    params = {**PARAMS["lgbm_ensemble"], "seeds": 1, "era_step": 4, "era_offsets": [0, 1]}
    model = get_model("lgbm_ensemble")(get_model("lgbm_ensemble").Params.model_validate(params))
    model.fit(frame.between(1, 20), context(frame))
    new = frame.between(21, 21)  # (21 - 1) % 4 == 0
    report = model.fit_more(new, context(new), 2)
    assert report.size == 2
    assert ["offset 1" in note for note in report.notes] == [True]


@pytest.mark.parametrize("name", PARAMS)
def test_other_features_are_refused(name, frame, tmp_path):
    model = fitted(name, frame.between(1, 20))
    other = load(dir=numerai_folder(tmp_path / "other", train=table(n_features=5))).frame
    with pytest.raises(ModelError, match="feature_5"):
        model.fit_more(other, context(other), 2)
