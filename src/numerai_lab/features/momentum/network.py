"""`network_momentum`: what a stock's neighbours did, by a graph of who moved as whom before."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from numerai_lab.arrays import Float64, Int8, Int64
from numerai_lab.eraframe import EraFrame
from numerai_lab.features.momentum.built import Graph, changed_weight, spread, weight_within
from numerai_lab.features.momentum.examples import make_examples
from numerai_lab.features.momentum.graph import (
    learn_graph,
    mean_degree,
    nearest,
    normalised,
    scale_for_degree,
    squared_distances,
)
from numerai_lab.features.momentum.layers import Layers, unrolled_weights
from numerai_lab.features.momentum.params import NetworkParams
from numerai_lab.features.momentum.signals import (
    DAYS_A_WEEK,
    Window,
    content_of,
    make_window,
    places_of,
    standardised,
)
from numerai_lab.features.momentum.training import train_layers
from numerai_lab.features.protocol import Past, StepContext, StepParams, TransformInfo
from numerai_lab.features.runtime import rank_bins
from numerai_lab.features.step import Step
from numerai_lab.seeds import child_seed

_KEPT_GRAPHS = 512


@dataclass(frozen=True)
class _Newest:
    """The graph that was asked for last, and the rows it was made of, by where they lie."""

    place: tuple[int, ...]
    rows: EraFrame
    graph: Graph | None


_graphs: OrderedDict[tuple[str, str], Graph | None] = OrderedDict()
"""Graphs that were learned in this process, by what they were learned from: folds share them."""


class NetworkMomentum(Step):
    """N = D^-1/2 W D^-1/2 U: the neighbours' momentum signals U, standardised within the era.

    W is rebuilt every 13 eras, at era numbers that 13 divides, from the signals of earlier eras
    alone, as the mean of the graphs of five lookbacks. Stocks that came after a graph was built, or
    that it leaves alone, have no value.

    Sources: Pu, Roberts, Dong, Zohren (2023), Network momentum across asset classes,
    arXiv:2308.11294; Pu, Zohren, Roberts, Dong (2023), Learning to learn financial networks for
    optimising momentum strategies, arXiv:2308.12212.
    """

    info: ClassVar[TransformInfo] = TransformInfo(
        summary="momentum of a stock's neighbours, by a graph of who moved as whom",
        state="fitted",
        needs_entity=True,
    )
    Params: ClassVar[type[StepParams]] = NetworkParams
    kind = ""
    params: NetworkParams

    def __init__(self, params: NetworkParams) -> None:
        super().__init__(params)
        self._newest: _Newest | None = None

    @property
    def history_eras(self) -> int:
        """The longest lookback in weeks, before the last rebuilding."""
        if self.params.columns == "own":
            return 0
        return max(self.params.lookbacks_days) // DAYS_A_WEEK + self.params.rebuild_eras - 1

    @property
    def drops(self) -> tuple[str, ...]:
        """All features that stood before, with `only`."""
        return tuple(self.settings.get("drops", ()))

    def fit(self, train: EraFrame, ctx: StepContext) -> None:
        """Name the columns, and say what the graphs of the training eras are like.

        Raises ModelError : the data have no such signals or no sectors; no graph can be built, or
            one links more than half of all pairs.
        """
        params = self.params
        missing = [name for name in params.signals if name not in train.side]
        if missing:
            raise self.wrong(
                f"there is no column '{missing[0]}' beside the features",
                "signals",
                "use data.source: prices, or name columns of data.side",
            )
        kinds = {"own": ["own"], "network": ["network"], "both": ["own", "network"]}
        names = [
            f"{params.label}.{kind}_{name}"
            for kind in kinds[params.columns]
            for name in params.signals
        ]
        self._names = tuple(names)
        self.settings = {
            "seed": ctx.seed,
            "drops": list(train.feature_names) if params.only else [],
            "graphs": [],
        }
        if params.columns == "own":
            return
        if params.graph == "sector" and (
            train.side.get("sector") is None
            or train.side["sector"].null_count == len(train.side["sector"])
        ):
            raise self.wrong(
                "no row has a sector", "graph: sector", "name a file in data.prices.sectors"
            )
        if params.graph == "unrolled":
            self._train(train, ctx)
        self._tell(train, ctx)

    def _train(self, train: EraFrame, ctx: StepContext) -> None:
        """Train the layers on training eras.

        Raises ModelError : torch is not there; no such target; no graph to train on.
        """
        params, past = self.params, ctx.past
        assert past is not None
        label = params.target or ctx.target
        if label not in train.target_names:
            raise self.wrong(
                f"target '{label}' is not among those that the model trains on "
                f"({', '.join(train.target_names)})",
                "target",
                "name one of them, or add it to data.targets and the model's targets",
            )
        examples = make_examples(
            train,
            lambda era: past(era, self.history_eras).rows,
            label=label,
            signals=params.signals,
            lookbacks_days=params.lookbacks_days,
            degree=params.degree,
            rebuild_eras=params.rebuild_eras,
            most=params.most_graphs,
        )
        if not examples:
            self.settings["layers"] = Layers.untrained(params.layers).facts()
            return  # whoever tells of the graphs says that there are none
        try:
            layers, losses = train_layers(
                examples,
                params.layers,
                params.epochs,
                params.learning_rate,
                child_seed(ctx.seed, "unrolled"),
            )
        except ImportError:
            raise self.wrong(
                "training needs torch, which is not installed",
                "graph: unrolled",
                "pip install 'numerai_lab[torch]', or take graph: learned",
            ) from None
        self.settings["layers"] = layers.facts()
        ctx.say(
            f"{params.label}: {params.layers} layers trained on {len(examples)} graphs, Sharpe of "
            f"an era {-losses[0]:.3f} before and {-losses[-1]:.3f} after {params.epochs} epochs"
        )

    def _tell(self, train: EraFrame, ctx: StepContext) -> None:
        """Build the graphs of the training eras, and say what they are like."""
        assert ctx.past is not None
        built: list[dict[str, Any]] = []
        alone = 0
        before: Graph | None = None
        changes = []
        for era in train.eras.tolist():
            built_at = era - era % self.params.rebuild_eras
            if built and built[-1]["era"] == built_at:
                continue
            graph = self._graph(ctx.past(era, self.history_eras).rows, era)
            if graph is None:
                alone += 1
                continue
            built.append(
                {
                    "era": built_at,
                    "nodes": len(graph.nodes),
                    "degree": graph.degree,
                    "within_sector": graph.within,
                }
            )
            if before is not None:
                changes.append(changed_weight(before, graph))
            before = graph
        if not built:
            raise self.wrong(
                f"no training era has {min(self.params.lookbacks_days)} trading days of earlier "
                "eras to build a graph from",
                "lookbacks_days",
                "train on more eras, or choose shorter lookbacks",
            )
        self.settings["graphs"] = built
        degrees = [one["degree"] for one in built]
        nodes = [one["nodes"] for one in built]
        said = (
            f"{self.params.label}: {len(built)} {self.params.graph} graphs of {min(nodes)} to "
            f"{max(nodes)} nodes, mean degree {np.mean(degrees):.1f}"
        )
        if changes:
            said += f", {100 * np.mean(changes):.0f} % of the weight changes at a rebuilding"
        if built[-1]["within_sector"] is not None:
            within = np.mean([one["within_sector"] for one in built])
            said += f", {100 * within:.0f} % of it within sectors"
        if alone:
            said += f"; {alone} training eras have too few before them, and no network"
        ctx.say(said)

    def apply(self, era: EraFrame, past: Past | None) -> Int8:
        """Return own signals and the neighbours' mean of them, in ranks of the era."""
        own = standardised(era, self.params.signals)
        found = [own] if self.params.columns in ("own", "both") else []
        if self.params.columns != "own":
            assert past is not None
            graph = self._graph(past.rows, int(era.eras[0]))
            found.append(spread(graph, era, own))
        columns: Int8 = rank_bins(np.concatenate(found, axis=1), self.params.bins)
        return columns

    def _graph(self, rows: EraFrame, era: int) -> Graph | None:
        """Return the graph that is used in an era; None where too little is before it."""
        params = self.params
        built_at = era - era % params.rebuild_eras
        longest = max(params.lookbacks_days) // DAYS_A_WEEK
        inside = rows.between(built_at - longest, built_at - 1)
        if inside.n_eras == 0:
            return None
        place = places_of(inside, params.signals)
        if self._newest is not None and self._newest.place == place:
            return self._newest.graph
        how = params.model_dump(include={"degree", "lookbacks_days", "signals"})
        how["layers"] = self.settings.get("layers")
        how |= {"graph": "learned" if params.graph == "random" else params.graph}
        key = (json.dumps([built_at, how]), content_of(inside, params.signals))
        if key not in _graphs:
            _graphs[key] = self._build(make_window(inside, params.signals), built_at)
            while len(_graphs) > _KEPT_GRAPHS:
                _graphs.popitem(last=False)
        _graphs.move_to_end(key)
        found = _graphs[key]
        if params.graph == "random" and found is not None:
            found = self._permuted(found, built_at)
        # it holds on to the rows, so that no others come to lie where these do
        self._newest = _Newest(place, inside, found)
        return found

    def _permuted(self, graph: Graph, built_at: int) -> Graph:
        """Return a graph with its nodes permuted: as many neighbours, others."""
        seed = child_seed(self.settings["seed"], "network", self.params.draw, built_at)
        order = np.random.default_rng(seed).permutation(len(graph.nodes))
        weights = sparse.csr_array(graph.weights[order][:, order])
        within = None if graph.within is None else weight_within(weights.toarray(), graph.sectors)
        return replace(graph, weights=weights, within=within)

    def _build(self, window: Window, built_at: int) -> Graph | None:
        n = len(window.nodes)
        total, parts = np.zeros((n, n)), 0
        for days in sorted(self.params.lookbacks_days):
            found = window.of_days(days, built_at)
            if found is None or len(found[0]) < 3:
                continue
            chosen, signals = found
            total[np.ix_(chosen, chosen)] += self._weights(signals, window.sectors[chosen])
            parts += 1
        if not parts:
            return None
        weights = total / parts
        degree = mean_degree(weights)
        if self.params.graph != "sector" and degree > n / 2:
            raise self.wrong(
                f"the graph before era {built_at} links a node to {degree:.0f} of {n} on average, "
                "more than half of all: it has collapsed, and a neighbours' mean is everybody's",
                "degree",
                "wish for a smaller degree, or give signals that tell stocks apart",
            )
        weights = normalised(weights)
        within = weight_within(weights, window.sectors) if window.sector_names else None
        return Graph(window.nodes, sparse.csr_array(weights), degree, within, window.sectors)

    def _weights(self, signals: Float64, sectors: Int64) -> Float64:
        if self.params.graph == "sector":
            same = (sectors[:, None] == sectors) & (sectors >= 0)[:, None]
            return np.where(same & ~np.eye(len(sectors), dtype=bool), 1.0, 0.0)
        if self.params.graph == "correlation":
            unit = signals - signals.mean(axis=1, keepdims=True)
            unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
            return nearest(unit @ unit.T, self.params.degree)
        distances = squared_distances(signals)
        if self.params.graph == "unrolled":
            scaled = distances * scale_for_degree(distances, self.params.degree)
            return unrolled_weights(scaled, Layers.of(self.settings["layers"]))
        return learn_graph(distances * scale_for_degree(distances, self.params.degree)).weights
