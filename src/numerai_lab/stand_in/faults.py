"""Faults on demand: what the stand-in does wrong, where, how often."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from typing import Any

KINDS = {
    "status": "answer with HTTP `status` and do nothing (`retry_after` seconds for 429)",
    "cut": "close the connection and do nothing",
    "hang": "do nothing and answer nothing for `seconds`, then close",
    "accept_then_cut": "do it, then close the connection without an answer",
    "accept_later": "answer nothing, and do it when the clock is `seconds` further",
    "accept_then_hang": "do it, then answer nothing for `seconds`, then close",
    "accept_then_status": "do it, then answer with HTTP `status`",
    "drip": "do nothing and send a header that never ends, a byte every `seconds`",
    "accept_then_drip": "do it, then send a header that never ends, a byte every `seconds`",
    "slow": "spread the answer's body over `seconds`",
    "cut_body": "announce the whole body, send a `share` of it, close",
    "truncated": "send a `share` of the body as if it were all",
    "corrupt": "send a body of the right length with its last kilobyte zeroed",
    "ignore_range": "answer a Range request with the whole file, status 200",
    "wrong_range": "answer a Range request with other bytes than asked for",
    "stale": "serve the live file of the round before",
    "error": "answer with a GraphQL error `message`",
    "wrong_keys": "answer as if the keys were wrong",
    "not_json": "answer with a page of HTML, status 200",
    "odd": "answer with `value` in the place of the field `path` of the data",
    "raw": "answer with `message` as the whole body, status 200",
    "close_round": "move the clock to the round's staking deadline, then go on as usual",
    "advance": "move the clock by `seconds`, then go on as usual",
}
BEFORE = {"status", "cut", "hang", "drip", "error", "wrong_keys", "not_json", "raw"}
"""Kinds that end a request before anything is done."""


@dataclass(slots=True)
class Fault:
    """One fault.

    Attributes
    ----------
    op : the root field of a query or mutation (`create_submission`), `put` (an upload), `file` (a
        download), or `*` for all of them.
    kind : one of `KINDS`.
    times : how many requests it hits; -1 for all.
    skip : how many matching requests it lets through first.
    probability : chance that it hits a matching request.
    name : for `file`: only files whose name contains this.
    path, value : for `odd`: names and positions from the root field on, and any JSON.
    """

    op: str
    kind: str
    times: int = 1
    skip: int = 0
    probability: float = 1.0
    name: str = ""
    status: int = 500
    retry_after: float | None = None
    seconds: float = 3600.0
    share: float = 0.5
    message: str = "something went wrong"
    path: tuple[str | int, ...] = ()
    value: Any = None

    def __post_init__(self) -> None:
        # "500" and the like are short for a status.
        if self.kind.isdigit():
            self.kind, self.status = "status", int(self.kind)
        if self.kind not in KINDS:
            raise ValueError(f"no such kind of fault: {self.kind} (known: {', '.join(KINDS)})")


class Faults:
    """The faults that are waiting, and those that have happened."""

    def __init__(self, seed: int = 0) -> None:
        self.waiting: list[Fault] = []
        self.happened: list[str] = []
        self._random = random.Random(seed)

    def add(self, faults: list[dict[str, Any]]) -> None:
        """Add faults given as JSON objects."""
        self.waiting += [Fault(**fault) for fault in faults]

    def next(self, op: str, name: str = "") -> Fault | None:
        """Return the fault that hits this request, if any, and count it."""
        for fault in self.waiting:
            if fault.op not in (op, "*") or fault.name not in name or fault.times == 0:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            fault.times -= 1 if fault.times > 0 else 0
            self.happened.append(f"{op}:{fault.kind}")
            if fault.times == 0:
                self.waiting.remove(fault)
            return fault
        return None

    def to_json(self) -> dict[str, Any]:
        """Return what is waiting and what has happened."""
        return {
            "waiting": [asdict(fault) for fault in self.waiting],
            "happened": list(self.happened),
        }
