"""How `icl` predicts, in NumPy: projection, contexts, and `module`'s nets without torch.

The model itself predicts by this, too, so that a bundle gives what it gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from numerai_lab.models.exports.runtime import MISSING
from numerai_lab.models.nets.attention_runtime import attention, wide
from numerai_lab.models.nets.runtime import MIDDLE, SCALE, era_bins, layer_norm, linear

Array = Any
Arrays = dict[str, Any]

ROWS_AT_ONCE = 1024
NUMBERS_AT_ONCE = 1 << 26
"""Of the scores by which rows of a context attend to each other: 256 MiB."""


def predict(features: Array, settings: dict[str, Any], arrays: Arrays, _parts: list[Any]) -> Array:
    """Predict the rows of one era, float64 [n_rows], from the contexts that were kept."""
    scores = projected(era_bins(features), arrays)
    eras = chosen_eras(scores, settings, arrays)
    return predicted(scores, contexts(arrays, eras, settings["contexts"]), settings, arrays)


def predicted(
    scores: Array,
    given: Iterator[tuple[Array, Array]],
    settings: dict[str, Any],
    arrays: Arrays,
    net: str = "net",
    before: dict[int, tuple[Array, Array, list[Array]]] | None = None,
) -> Array:
    """Predict rows from each context, and return the mean on the target's scale, float64.

    Parameters
    ----------
    scores : float32 [n_rows, n_scores]. given : contexts. net : prefix of the weights to use.
    before : what earlier calls with these weights have read of their contexts; a context that is
        still the same is not read again.
    """
    own = {key[len(net) + 1 :]: arrays[key] for key in arrays if key.startswith(f"{net}/")}
    size, before = settings["size"], {} if before is None else before
    total, n = np.zeros(len(scores)), 0
    for x, y in given:
        kept = before.get(n)
        if kept is None or not (np.array_equal(kept[0], x) and np.array_equal(kept[1], y)):
            kept = before[n] = (x, y, encoded(x, y, size, own))
        total += answers(scores, kept[2], size, own)
        n += 1
    return total / n * settings["std"] + settings["mean"]


def projected(bins: Array, arrays: Arrays) -> Array:
    """Return the scores of rows, float32 [n_rows, n_scores]; a missing value counts as the middle.

    bins : int8 [n_rows, n_features].
    """
    numbers = np.where(bins == MISSING, 0, bins.astype(np.float32) - MIDDLE) * np.float32(SCALE)
    return (numbers - arrays["centre"]) @ arrays["projection"]


def era_code(scores: Array) -> Array:
    """Return what tells eras apart: how the scores of an era vary together, float32 [n_pairs]."""
    centred = scores - scores.mean(axis=0)
    together = centred.T @ centred / max(len(scores), 1)
    return together[np.triu_indices(len(together))].astype(np.float32)


def chosen_eras(scores: Array, settings: dict[str, Any], arrays: Arrays) -> Array:
    """Return the places of the eras whose rows are the context of an era with these scores."""
    n = len(arrays["pool_offsets"]) - 1
    if settings["context"] != "nearest" or n <= settings["context_eras"]:
        return np.arange(n)
    away = np.square(arrays["pool_codes"] - era_code(scores)).sum(axis=1)
    return np.sort(np.argsort(away, kind="stable")[: settings["context_eras"]])


def contexts(
    arrays: Arrays, eras: Array, n_contexts: int, name: str = "pool"
) -> Iterator[tuple[Array, Array]]:
    """Yield contexts (x [n_rows, n_scores], y [n_rows]) of some of the eras that were kept.

    The rows kept of an era are dealt to the contexts in turn.
    """
    offsets = arrays[f"{name}_offsets"]
    for i in range(n_contexts):
        places = [np.arange(offsets[era] + i, offsets[era + 1], n_contexts) for era in eras]
        rows = np.concatenate(places)
        if len(rows):
            yield arrays[f"{name}_x"][rows], arrays[f"{name}_y"][rows]


def answers(asked: Array, read: list[Array], size: dict[str, Any], net: Arrays) -> Array:
    """Predict rows that are asked for; with `encoded`, `InContextNet.forward` of one task.

    Parameters
    ----------
    asked : float32 [n_asked, n_scores]. read : of the context, by `encoded`.
    """
    starts = range(0, len(asked), ROWS_AT_ONCE)
    return np.concatenate([_asked(asked[i : i + ROWS_AT_ONCE], read, size, net) for i in starts])


def encoded(x: Array, y: Array, size: dict[str, Any], net: Arrays) -> list[Array]:
    """Return what rows that are asked for attend to in each block, [n_tokens, width].

    Parameters
    ----------
    x : float32 [n_context, n_scores]. y : float32 [n_context].
    """
    rows, labels = linear(x, net, "row"), linear(y[:, None], net, "label")
    heads, blocks = size["heads"], range(size["layers"])
    place = None
    if size["architecture"] == "decoder":
        pairs = np.stack([rows, labels], axis=1).reshape(-1, rows.shape[1])
        known = np.concatenate([net["first"][None], pairs])
        place = np.arange(len(known))
    else:
        known = rows + labels
    half = size["layers"] // 2 if size["architecture"] == "encoder_decoder" else size["layers"]
    read = []
    for i in blocks[:half]:
        normed = layer_norm(known, net, f"blocks.{i}.norm")
        read.append(normed)
        known = known + _among(normed, net, f"blocks.{i}.attention", heads, place)
        known = known + wide(known, net, f"blocks.{i}.wide")
    if size["architecture"] == "encoder_decoder":
        known = layer_norm(known, net, "between")
        return [known for _ in blocks[half:]]
    return read


def _among(normed: Array, net: Arrays, name: str, heads: int, place: Array) -> Array:
    """Let the tokens of a context attend to each other, so many at once as memory should hold.

    place : of each token where they attend to earlier ones only; None: to all.
    """
    n = len(normed)
    step = max(1, NUMBERS_AT_ONCE // (n * heads))
    parts = []
    for i in range(0, n, step):
        bias = None if place is None else _bias(place[i : i + step], place, heads)
        parts.append(attention(normed[i : i + step], normed, net, name, heads, bias))
    return np.concatenate(parts)


def _asked(asked: Array, read: list[Array], size: dict[str, Any], net: Arrays) -> Array:
    tokens, heads = linear(asked, net, "row"), size["heads"]
    first = size["layers"] - len(read)
    bias = None
    if size["architecture"] == "decoder":
        n = len(read[0])
        bias = _bias(np.array([n]), np.arange(n), heads)
    for i, known in enumerate(read, first):
        normed = layer_norm(tokens, net, f"blocks.{i}.norm")
        tokens = tokens + attention(normed, known, net, f"blocks.{i}.attention", heads, bias)
        tokens = tokens + wide(tokens, net, f"blocks.{i}.wide")
    return linear(layer_norm(tokens, net, "norm"), net, "head")[:, 0]


def _bias(asking: Array, read: Array, heads: int) -> Array:
    """Return what `module.DecoderNet` adds to the scores, float32 [heads, n_asking, n_read]."""
    near = heads // 2
    slopes = np.array([2.0 ** -(i + 1) if i < near else 0.0 for i in range(heads)], np.float32)
    away = (asking[:, None] - read).astype(np.float32)
    later = (away <= 0) & (read > 0)
    return np.where(later, np.float32(-np.inf), -slopes[:, None, None] * away)
