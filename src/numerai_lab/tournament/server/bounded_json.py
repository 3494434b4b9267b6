"""JSON of a server, read only if it is small, flat and UTF-8 enough to be an answer."""

from __future__ import annotations

import json
from typing import Any

MOST_BYTES = 64 * 2**20
_MOST_COST = 256 * 2**20
# Bytes that CPython 3.11 takes for each of these at most, beside the text itself (measured).
_COSTS = {b"{": 72, b"[": 40, b",": 64, b":": 64}


def read_json(body: bytes) -> Any:
    """Read JSON whose values take no more memory than an answer may.

    60 MB of empty lists are 1.7 GB of Python's lists, so what the values will cost is counted
    before any is made: by brackets and commas, of which those in texts count too.

    Raises
    ------
    ValueError : not JSON, NaN or Infinity in it, nested too deep, or too large.
    """
    cost = len(body) + sum(cost * body.count(sign) for sign, cost in _COSTS.items())
    if len(body) > MOST_BYTES or cost > _MOST_COST:
        raise ValueError(f"too large: {len(body):,} bytes would take {cost / 2**20:,.0f} MB")
    try:
        return json.loads(body, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
