"""Graphs that are built: what they hold, what neighbours did by them, what changes between two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from numerai_lab.arrays import Float64, Int64
from numerai_lab.eraframe import EraFrame


@dataclass(frozen=True)
class Graph:
    """A graph for some eras, and what is told of it.

    Attributes
    ----------
    nodes : string array [n]. weights : normalised, sparse [n, n].
    degree : neighbours of a node on average. within : share of weight between nodes of one sector,
        None without sectors. sectors : code of each node's, -1 for none.
    """

    nodes: pa.Array
    weights: sparse.csr_array
    degree: float
    within: float | None
    sectors: Int64


def spread(graph: Graph | None, era: EraFrame, own: Float64) -> Float64:
    """Return the neighbours' weighted signals of each row; NaN for one without neighbours."""
    found = np.full(own.shape, np.nan)
    if graph is None:
        return found
    assert era.entity is not None
    place = pc.fill_null(pc.index_in(era.entity, value_set=graph.nodes), -1).to_numpy()
    known = np.flatnonzero(place >= 0)
    values = np.zeros((len(graph.nodes), own.shape[1]))
    values[place[known]] = np.nan_to_num(own[known])
    spread = graph.weights @ values
    alone = np.diff(graph.weights.indptr) == 0
    found[known] = np.where(alone[place[known], None], np.nan, spread[place[known]])
    return found


def weight_within(weights: Float64, sectors: Int64) -> float:
    """Return the share of weight between nodes of one sector."""
    same = (sectors[:, None] == sectors) & (sectors >= 0)[:, None]
    return float(weights[same].sum() / max(weights.sum(), 1e-12))


def changed_weight(before: Graph, now: Graph) -> float:
    """Return the share of weight that is not where it was, among nodes that both graphs have."""
    place = pc.fill_null(pc.index_in(now.nodes, value_set=before.nodes), -1).to_numpy()
    both = np.flatnonzero(place >= 0)
    old = before.weights[place[both]][:, place[both]].toarray()
    new = now.weights[both][:, both].toarray()
    old, new = old / max(old.sum(), 1e-12), new / max(new.sum(), 1e-12)
    return float(np.abs(new - old).sum() / 2)
