"""`check_model` finds each broken promise: one deliberately broken model for each."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pydantic
import pytest

from honest_model import Honest
from numerai_lab.errors import ModelError
from numerai_lab.models import (
    ClassProbabilities,
    Detailed,
    FitContext,
    Model,
    ModelInfo,
    Params,
    Variant,
    check_model,
)
from numerai_lab.models.conformance.classes import problem_of_classes
from numerai_lab.models.conformance.toy import toy_frame

calls = itertools.count()


class TakesAnyParams(Honest):
    class Params(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(extra="allow")


class ReportsNoJson(Honest):
    def fit(self, train, ctx):
        return replace(super().fit(train, ctx), details={"beta": self.beta})


class ReportsNothing(Honest):
    def fit(self, train, ctx):
        super().fit(train, ctx)


class NamesOtherFeatures(Honest):
    def fit(self, train, ctx):
        return replace(super().fit(train, ctx), importance={"f0": 1.0})


class ForgetsItsSeed(Honest):
    def fit(self, train, ctx):
        report = super().fit(train, ctx)
        self.beta = self.beta + next(calls)
        return report


class ReadsRowOrder(Honest):
    def values(self, frame):
        return super().values(frame) + np.concatenate(
            [np.arange(stop - start) for start, stop in itertools.pairwise(frame.offsets)]
        )


class MixesEras(Honest):
    def values(self, frame):
        return super().values(frame) - super().values(frame).mean()


class Peeks(Honest):
    def values(self, frame):
        values = super().values(frame)
        return values + frame.targets[:, 0] if frame.target_names else values


class NeedsTargets(Honest):
    def values(self, frame):
        return super().values(frame) + 0 * frame.target("target")


class ChangesRowsAtFit(Honest):
    def fit(self, train, ctx):
        report = super().fit(train, ctx)
        train.features[0] = 0
        return report


class ChangesRowsAtPredict(Honest):
    def values(self, frame):
        values = super().values(frame)
        frame.features[0] += 1
        return values


class SavesHalf(Honest):
    def save(self, folder):
        self.beta, kept = np.round(self.beta, 3), self.beta
        super().save(folder)
        self.beta = kept


class SavesNothing(Honest):
    def save(self, folder):
        pass


class DividesByVariance(Honest):
    def fit(self, train, ctx):
        if (train.features.std(axis=0) == 0).any():
            raise ZeroDivisionError("a feature is constant")
        return super().fit(train, ctx)


class NeedsLargeEras(Honest):
    def fit(self, train, ctx):
        if np.diff(train.offsets).min() < 5:
            raise ValueError("an era is too small")
        return super().fit(train, ctx)


class SpreadsMissing(Honest):
    @staticmethod
    def design(frame):
        return np.where(frame.features == -1, np.nan, frame.features.astype(np.float64))


class WantsInt8(Honest):
    def fit(self, train, ctx):
        train.features.view(np.int8).reshape(train.features.shape)
        return super().fit(train, ctx)


class RefusesWeights(Honest):
    def fit(self, train, ctx):
        if ctx.weights is not None:
            raise NotImplementedError("weights")
        return super().fit(train, ctx)


class TakesAnyFeatures(Honest):
    def predict(self, frame):
        used = zip(self.beta, self.design(frame).T, strict=False)
        return sum(b * column for b, column in used).astype(np.float32)


class PredictsFloat64(Honest):
    def predict(self, frame):
        return super().predict(frame).astype(np.float64)


class PredictsColumns(Honest):
    def predict(self, frame):
        return super().predict(frame)[:, None]


class PredictsNaN(Honest):
    def predict(self, frame):
        return super().predict(frame) * np.float32(np.nan)


BROKEN = {
    TakesAnyParams: "rejects unknown parameters: 'no_such_parameter' is accepted",
    ReportsNoJson: "reports the fit: the FitReport is not JSON",
    ReportsNothing: "reports the fit: fit returns NoneType",
    NamesOtherFeatures: r"importance names what is no feature: \['f0'\]",
    ForgetsItsSeed: "same seed, same result: a second fit",
    ReadsRowOrder: "row order does not matter: shuffling",
    MixesEras: "an era stands alone: an era alone",
    Peeks: "targets are not seen: predictions depend on the targets",
    NeedsTargets: "fits and predicts: raises DataError: target 'target' is not loaded",
    ChangesRowsAtFit: "fit changes the features",
    ChangesRowsAtPredict: "rows stay as they are: predict changes",
    SavesHalf: "survives saving: the loaded model predicts otherwise",
    SavesNothing: "survives saving: raises FileNotFoundError",
    DividesByVariance: "survives constant features: raises ZeroDivisionError",
    NeedsLargeEras: "survives tiny eras: raises ValueError",
    SpreadsMissing: "survives missing values: .*(not finite|LinAlgError)",
    WantsInt8: "survives float features: raises ValueError",
    RefusesWeights: "takes weights and early-stopping eras: raises NotImplementedError",
    TakesAnyFeatures: "checks features: renamed features are predicted",
    PredictsFloat64: "predictions are float64",
    PredictsColumns: r"predictions have shape \(\d+, 1\)",
    PredictsNaN: "predictions not finite",
}


def test_an_honest_model_passes():
    assert isinstance(Honest(Params()), Model)
    check_model(Honest)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_promise_is_found(broken):
    with pytest.raises(ModelError, match=BROKEN[broken]):
        check_model(broken)


class AddsUpEras(Honest):
    def values(self, frame):
        shift = 0.5 if frame.n_eras == 1 else 0.0
        return super().values(frame) + shift * (frame.eras[0] % 2 == 0)


class RaisesATable(Honest):
    def fit(self, train, ctx):
        raise ValueError("no fit\n" + str(np.zeros((50, 8))))


def test_a_broken_promise_is_told_with_how_far_where_and_why():
    with pytest.raises(ModelError) as caught:
        check_model(AddsUpEras)
    (line,) = [one for one in str(caught.value).splitlines() if "an era stands alone" in one]
    found = re.search(
        r"(\d+) of (\d+) predictions differ, by up to 5.0e-01, \S+ of their standard deviation, in "
        r"era (\d+) \(most: row \d+, id \S+\); usually predict computes something over all rows",
        line,
    )
    assert found, line
    assert found[1] == found[2]
    assert int(found[3]) % 2 == 0


def test_what_a_model_raises_is_told_without_its_tables():
    with pytest.raises(ModelError) as caught:
        check_model(RaisesATable)
    assert str(caught.value).endswith("- fits and predicts: raises ValueError: no fit")


def test_all_broken_promises_are_listed_at_once():
    class BreaksTwo(SavesHalf, Peeks):
        pass

    with pytest.raises(ModelError, match="breaks 2 of the promises") as caught:
        check_model(BreaksTwo)
    assert "targets are not seen" in str(caught.value)
    assert "survives saving" in str(caught.value)


def test_wrong_params_of_the_check_itself_are_told():
    with pytest.raises(ModelError, match="params are accepted: raises ValidationError"):
        check_model(Honest, {"depth": 3})


class Counts(Honest):
    """Its predictions depend on the eras it has predicted before, as it declares."""

    info = ModelInfo(summary="counts eras", unit="fits", stateful=True)
    seen = 0

    def values(self, frame):
        self.seen += frame.n_eras
        return super().values(frame) + self.seen


class CountsSecretly(Counts):
    info = ModelInfo(summary="counts eras", unit="fits")


class ShowsWhatItNeverDeclared(Honest):
    def predict_in_detail(self, frame):
        values = self.predict(frame)
        return Detailed(values, {"other": values})

    @classmethod
    def twin_of_variant(cls, params):
        return None


class ShowsWhatItDeclared(ShowsWhatItNeverDeclared):
    info = ModelInfo(summary="two", unit="fits", variants=(Variant("other", "the same again"),))


def test_variants_must_be_declared():
    check_model(ShowsWhatItDeclared)
    with pytest.raises(ModelError, match=r"details agree .*'other' is not declared in info"):
        check_model(ShowsWhatItNeverDeclared)


class SumsInAnotherOrder(Honest):
    """Its last digits depend on how many rows are predicted at once, as it declares."""

    info = ModelInfo(summary="rounds", unit="fits", tolerance=1e-4)
    by = 1e-6

    def values(self, frame):
        return super().values(frame) + self.by * (frame.n_rows % 7)


class SumsFarOff(SumsInAnotherOrder):
    by = 1e-3


class RoundsWhatItSaves(SumsInAnotherOrder):
    def save(self, folder):
        self.beta, kept = np.round(self.beta, 5), self.beta
        super().save(folder)
        self.beta = kept


class RefitsNearly(SumsInAnotherOrder):
    def fit(self, train, ctx):
        report = super().fit(train, ctx)
        self.beta = self.beta * (1 + 1e-6 * next(calls))
        return report


def test_a_declared_tolerance_holds_for_batches_alone():
    check_model(SumsInAnotherOrder)
    with pytest.raises(ModelError, match="an era stands alone"):
        check_model(SumsFarOff)
    with pytest.raises(ModelError, match="survives saving") as caught:
        check_model(RoundsWhatItSaves)
    assert "breaks 1 of" in str(caught.value)
    with pytest.raises(ModelError, match="same seed, same result") as caught:
        check_model(RefitsNearly)
    assert "breaks 1 of" in str(caught.value)


def test_a_tolerance_has_a_limit():
    with pytest.raises(ModelError, match=r"tolerance is 0\.1, not from 0 to 0\.001"):
        ModelInfo(summary="anything goes", unit="fits", tolerance=0.1)


class TellsClasses(Honest):
    """Probabilities of two classes, and a way to spoil them."""

    def spoilt(self, told):
        return told

    def predict_classes(self, frame, target):
        assert target == "target"
        upper = 1 / (1 + np.exp(-self.predict(frame)))
        told = ClassProbabilities((0.0, 1.0), np.column_stack([1 - upper, upper]))
        return self.spoilt(told)


class TellsTooMuch(TellsClasses):
    def spoilt(self, told):
        return replace(told, probabilities=2 * told.probabilities)


def test_probabilities_of_classes_are_checked():
    check_model(TellsClasses)
    with pytest.raises(ModelError, match="classes sum to 1: probabilities of a row do not sum"):
        check_model(TellsTooMuch)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda told: replace(told, values=(1.0, 0.0)), "not ascending"),
        (lambda told: replace(told, values=(0.0, 0.5, 1.0)), ", 2), not float32"),
        (lambda told: replace(told, probabilities=told.probabilities.astype(float)), "float64"),
        (lambda told: replace(told, probabilities=told.probabilities - 1), "not 0 or above"),
    ],
)
def test_what_is_wrong_with_probabilities_is_named(spoil, said):
    frame = toy_frame(0)
    model = TellsClasses(TellsClasses.Params())
    model.fit(frame, FitContext(seed=1, target="target", targets=("target",), purge_eras=1))
    model.spoilt = spoil
    assert said in problem_of_classes(model, frame.without_targets(), "target")


class GoesOn(Honest):
    n_steps = 1

    def fit_more(self, new, ctx, amount):
        self.n_steps += amount
        return self.fit(new, ctx)


class GoesOnTooFar(GoesOn):
    def fit_more(self, new, ctx, amount):
        return super().fit_more(new, ctx, amount + 1)


class GoesOnUncounted(Honest):
    def fit_more(self, new, ctx, amount):
        return self.fit(new, ctx)


class CannotGoOn(GoesOnUncounted):
    """As a model made of others, one of which cannot."""

    def cannot_go_on(self):
        return "its member 'a' cannot"


def test_a_model_that_goes_on_takes_exactly_the_steps_it_is_told():
    check_model(GoesOn)
    check_model(CannotGoOn)
    with pytest.raises(ModelError, match="goes on from its fit: has fit_more and no n_steps"):
        check_model(GoesOnUncounted)
    with pytest.raises(ModelError, match="goes on from its fit: 4 steps more than 1 make 6"):
        check_model(GoesOnTooFar)


def test_a_stateful_model_may_depend_on_earlier_eras_if_it_says_so():
    check_model(Counts)
    with pytest.raises(ModelError, match="an era stands alone"):
        check_model(CountsSecretly)


@pytest.mark.slow  # a cold start of Python
def test_a_model_that_cannot_be_imported_fails_in_a_fresh_process():
    class Local(Honest):
        pass

    with pytest.raises(ModelError, match="loads in a fresh process"):
        check_model(Local, fresh_process=True)
