"""`max_sharpe`: what a direct optimiser of the shrunk Sharpe ratio finds."""

import numpy as np
import pytest
from scipy.optimize import minimize

from linear_models import centred, context, fitted
from numerai_lab.models import check_model, get_model
from numerai_lab.models.conformance.toy import toy_frame
from numerai_lab.scoring import corr_per_era
from numerai_lab.splits import inner_parts


def returns_of(frame):
    """Return z, the covariance of each feature with the target, [n_eras, n_features]."""
    values, label = centred(frame, frame.target("target"))
    return np.stack(
        [values[rows].T @ label[rows] / (rows.stop - rows.start) for _, rows in frame.iter_eras()]
    )


def test_keeps_the_promises_of_a_model():
    check_model(get_model("max_sharpe"))


@pytest.mark.parametrize("shrinkage", [0.01, 0.5])
@pytest.mark.parametrize("n_eras", [5, 30], ids=["fewer eras than features", "more"])
def test_no_other_weights_have_a_higher_shrunk_sharpe_ratio(n_eras, shrinkage):
    frame = toy_frame(2, missing=0.1).between(1, n_eras)
    z = returns_of(frame)
    mean, covariance = z.mean(axis=0), np.cov(z.T, ddof=0)
    shrunk = covariance + shrinkage * np.trace(covariance) / len(mean) * np.eye(len(mean))

    def negative_sharpe(b):
        return -(b @ mean) / np.sqrt(b @ shrunk @ b)

    best = minimize(negative_sharpe, mean / np.linalg.norm(mean), method="BFGS", tol=1e-12)
    model, _ = fitted("max_sharpe", frame, {"shrinkage": shrinkage})
    found = model.coefficients
    assert negative_sharpe(found) <= best.fun + 1e-12
    same = found @ best.x / (np.linalg.norm(found) * np.linalg.norm(best.x))
    assert same == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found, np.linalg.solve(shrunk, mean), rtol=1e-8)


def test_auto_takes_the_shrinkage_of_the_highest_sharpe_ratio_on_later_eras():
    frame = toy_frame(2, n_features=20)
    _, report = fitted("max_sharpe", frame, {"inner_folds": 2})
    details = report.details
    i = int(np.argmax(details["merit"]))
    assert details["shrinkage"] == details["tried"][i]
    scores = []
    for part in inner_parts(frame.eras, 2, purge_eras=2):
        before = frame.between(0, part.last_train_era)
        model, _ = fitted("max_sharpe", before, {"shrinkage": details["tried"][i]})
        judged = frame.between(part.first, part.last)
        scores.append(corr_per_era(model.predict(judged), judged.target("target"), judged.offsets))
    scores = np.vstack(scores)
    assert details["merit"][i] == pytest.approx(scores.mean() / scores.std(), rel=1e-4)


def test_eras_of_equal_labels_have_no_return():
    frame = toy_frame(2)
    model, _ = fitted("max_sharpe", frame, {"shrinkage": 0.1})
    odd = toy_frame(9, rows_per_era=np.full(3, 30), first_era=31)
    odd.targets[:] = 0.5
    before = model.coefficients.copy()
    model.fit_more(odd, context(), 3)
    assert model.n_steps == frame.n_eras + 3
    np.testing.assert_allclose(model.coefficients, before, rtol=1e-12)
