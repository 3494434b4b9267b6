"""`network_momentum`: the planted network is found, from the past alone, or refused."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from numerai_lab.config import MadeUpPrices
from numerai_lab.data import load_data, made_up_prices
from numerai_lab.errors import LabError, ModelError
from numerai_lab.features import Past, StepContext, check_transform, get_transform
from numerai_lab.features.momentum import network
from numerai_lab.features.momentum.graph import learn_graph, scale_for_degree, squared_distances
from numerai_lab.features.momentum.layers import Layers, starting_weights, unrolled_weights
from numerai_lab.features.momentum.training import layers_in_torch
from price_files import section_of

PANEL = {"n_tickers": 40, "n_days": 800, "momentum": 0.0, "network": 10.0, "seed": 1}
SMALL = {"lookbacks_days": [60, 100], "degree": 4, "rebuild_eras": 4}


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    place = tmp_path_factory.mktemp("panel")
    section = section_of(place, place, made_up=PANEL).model_copy(update={"files": []})
    return load_data(section, say=lambda _: None, keep_unlabelled=True).known


def fitted(frame, said=None, **params):
    step = get_transform("network_momentum")
    step = step(step.Params.model_validate({"type": "network_momentum", **SMALL, **params}))
    eras = frame.eras
    train = frame.between(int(eras[30]), int(eras[60]))

    def past(era, n):
        rows = frame.between(era - n, era - 1).without_targets()
        return Past(rows, rows.between(0, -1))

    tell = (lambda _: None) if said is None else said.append
    step.fit(train, StepContext(seed=0, target="target", purge_eras=4, past=past, say=tell))
    return step


def applied(step, frame, place=70):
    era = int(frame.eras[place])
    own = frame.between(era, era).without_targets()
    rows = frame.between(era - step.history_eras, era - 1).without_targets()
    return step.apply(own, Past(rows, rows.between(0, -1)))


@pytest.mark.parametrize("graph", ["learned", "correlation", "sector", "random"])
def test_it_keeps_the_promises(graph):
    signals = {"signals": ["return_1"], "lookbacks_days": [20, 40], "rebuild_eras": 2}
    check_transform(
        get_transform("network_momentum"),
        {"graph": graph, "degree": 3, **signals},
    )


def test_own_columns_look_back_on_nothing(frame):
    step = fitted(frame, columns="own")
    assert step.history_eras == 0
    assert step.names[0] == "network_momentum.own_return_1"
    assert applied(step, frame).max() == 13


def test_only_leaves_the_other_features_out(frame):
    assert fitted(frame, only=True).drops == frame.feature_names
    assert fitted(frame).drops == ()


def test_the_network_is_the_mean_of_the_neighbours(frame):
    step = fitted(frame, columns="network", graph="sector", bins=14)
    found = applied(step, frame)
    era = frame.between(int(frame.eras[70]), int(frame.eras[70]))
    sector = np.array(era.side["sector"].to_pylist())
    raw = era.side["return_63"].to_numpy()
    own = np.clip((raw - raw.mean()) / raw.std(), -3, 3)
    # all of one sector: everybody's mean but one's own
    wanted = np.array(
        [own[(sector == mine) & (np.arange(len(own)) != i)].mean() for i, mine in enumerate(sector)]
    )
    column = step.names.index("network_momentum.network_return_63")
    ranks = wanted.argsort().argsort()
    there = found[:, column] >= 0
    assert there.sum() > 30
    assert np.corrcoef(found[there, column], ranks[there])[0, 1] > 0.97


def test_learned_neighbours_lie_within_sectors_and_chance_ones_do_not(frame):
    shares = {}
    for graph in ("learned", "random"):
        said = []
        step = fitted(frame, said, graph=graph)
        shares[graph] = np.mean([one["within_sector"] for one in step.settings["graphs"]])
        assert any(f"{graph} graphs of" in one and "within sectors" in one for one in said)
        degree = np.mean([one["degree"] for one in step.settings["graphs"]])
        assert 3 < degree < 12
    assert shares["learned"] > 0.33
    assert shares["random"] < 0.3


def test_the_planted_network_predicts(frame):
    """Neighbours' past says what comes next; the same past of strangers does not."""
    means = {}
    for graph in ("learned", "random"):
        step = fitted(frame, columns="network", graph=graph)
        column = step.names.index("network_momentum.network_return_63")
        corr = []
        for place in range(40, frame.n_eras - 8):
            values = applied(step, frame, place)[:, column].astype(float)
            own = frame.between(int(frame.eras[place]), int(frame.eras[place]))
            target = own.target("target")
            both = (values >= 0) & np.isfinite(target)
            corr.append(np.corrcoef(values[both], target[both])[0, 1])
        means[graph] = np.mean(corr)
    assert means["learned"] > 0.1
    assert abs(means["random"]) < 0.05


def test_another_draw_is_another_random_graph(frame):
    one, two = (applied(fitted(frame, graph="random", draw=k), frame) for k in (0, 1))
    assert not np.array_equal(one, two)


def test_a_stock_that_vanished_or_came_later_has_no_network(frame):
    step = fitted(frame, columns="network")
    era = int(frame.eras[70])
    own = frame.between(era, era).without_targets()
    stranger = pa.array(["NEW", *own.entity.to_pylist()[1:]])
    rows = frame.between(era - step.history_eras, era - 1).without_targets()
    found = step.apply(replace(own, entity=stranger), Past(rows, rows.between(0, -1)))
    assert (found[0] == -1).all()
    assert (found[1:] >= 0).any()


def test_too_short_a_past_is_refused(frame):
    with pytest.raises(ModelError, match=r"no training era has 2520 trading days"):
        fitted(frame, lookbacks_days=[2520])


def test_a_graph_that_has_collapsed_is_refused(frame):
    with pytest.raises(ModelError, match=r"more than half of all: it has collapsed"):
        fitted(frame, degree=39, graph="correlation")


def test_sectors_and_signals_must_be_there(frame):
    bare = replace(frame, side={n: c for n, c in frame.side.items() if n != "sector"})
    with pytest.raises(ModelError, match="no row has a sector"):
        fitted(bare, graph="sector")
    with pytest.raises(ModelError, match="no column 'return_7' beside the features"):
        fitted(frame, signals=["return_7"])


def test_wrong_parameters_are_named():
    kind = get_transform("network_momentum")
    with pytest.raises((LabError, ValueError), match="graph"):
        kind.Params.model_validate({"type": "network_momentum", "graph": "guessed"})


def test_the_made_up_network_is_what_neighbours_are():
    _, sectors, planted = made_up_prices(MadeUpPrices(n_tickers=20, n_days=400))
    names = list(sectors)
    for a, b in np.argwhere(planted):
        assert sectors[names[a]] == sectors[names[b]]
    assert network.NetworkMomentum.info.needs_entity


def test_untrained_layers_come_to_what_is_learned():
    draw = np.random.default_rng(0)
    signals = draw.standard_normal((5, 12))[np.arange(25) % 5] + draw.standard_normal((25, 12))
    distances = squared_distances(signals)
    distances = distances * scale_for_degree(distances, 4)
    wanted = learn_graph(distances, tolerance=1e-8, most_steps=5000).weights
    found = unrolled_weights(distances, Layers.untrained(400))
    np.testing.assert_allclose(found, wanted, atol=1e-3)


@pytest.mark.slow
def test_layers_are_trained_on_the_sharpe(frame):
    pytest.importorskip("torch", reason="torch is not installed")
    said = []
    step = fitted(frame, said, graph="unrolled", layers=8, epochs=6, most_graphs=3)
    trained = step.settings["layers"]
    assert len(trained["alpha"]) == 8
    assert trained != Layers.untrained(8).facts()
    told = next(one for one in said if "layers trained on 3 graphs" in one)
    before, after = (float(told.split(word)[1].split()[0]) for word in ("an era ", "before and "))
    assert after > before
    assert applied(step, frame).max() == 13
    again = fitted(frame, graph="unrolled", layers=8, epochs=6, most_graphs=3)
    assert again.settings["layers"] == trained


def test_layers_in_numpy_are_those_of_torch(frame):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    draw = np.random.default_rng(2)
    distances = squared_distances(draw.standard_normal((15, 6)))
    distances = distances * scale_for_degree(distances, 4)
    layers = Layers(*np.exp(0.2 * draw.standard_normal((3, 10))))
    logs = {name: torch.as_tensor(np.log(getattr(layers, name))) for name in layers.facts()}
    start = torch.as_tensor(starting_weights(distances))
    with torch.no_grad():
        wanted = layers_in_torch(torch, torch.as_tensor(distances), start, logs).numpy()
    np.testing.assert_allclose(unrolled_weights(distances, layers), wanted, atol=1e-3)


def test_layers_need_a_target_that_is_there(frame):
    with pytest.raises(ModelError, match=r"target 'scaled_7' is not among those"):
        fitted(frame, graph="unrolled", target="scaled_7")
