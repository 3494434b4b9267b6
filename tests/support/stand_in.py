"""The stand-in tournament server as a process, for tests."""

from __future__ import annotations

import json
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from forked import Forked, Forks
from numerai_lab.tournament.server.access import Keys

PUBLIC, SECRET = "PUBLICIDOFTHESTANDIN", "SECRETKEYOFTHESTANDIN0123456789"
WORK_PUBLIC, WORK_SECRET = "PUBLICIDATWORK", "SECRETKEYATWORK9876543210"
KEYS = Keys(PUBLIC, SECRET)
WORK_KEYS = Keys(WORK_PUBLIC, WORK_SECRET)
OPEN = "2026-03-03T12:05:00Z"
"""A Tuesday, five minutes after a round opened."""
MODULE = "import runpy; runpy.run_module('numerai_lab.stand_in', None, '__main__')"
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class StandIn:
    """A running stand-in; its clock stands still at `OPEN` until it is told otherwise.

    Account `default` (KEYS) has models `alpha` and `beta`, account `work` (WORK_KEYS) has `gamma`.
    """

    process: Forked
    url: str

    @classmethod
    def start(
        cls, data: Path, forks: Forks, *, time: str | None = OPEN, versions="v5.3", arguments=()
    ):
        """Start one that serves the folder `data`."""
        command = ["--data", str(data)]
        command += ["--account", f"{PUBLIC}:{SECRET}:alpha,beta"]
        command += ["--account", f"{WORK_PUBLIC}:{WORK_SECRET}:gamma", "--versions", versions]
        command += ["--time", time] if time else []
        process = forks.start(*command, *arguments, code=MODULE, stderr=os.dup(2))
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), url
        return cls(process, url)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be pointed at it, both accounts."""
        return {
            "NUMERAI_API_URL": self.url,
            "NUMERAI_PUBLIC_ID": PUBLIC,
            "NUMERAI_SECRET_KEY": SECRET,
            "WORK_NUMERAI_PUBLIC_ID": WORK_PUBLIC,
            "WORK_NUMERAI_SECRET_KEY": WORK_SECRET,
        }

    def control(self, **asked) -> dict:
        """Change time, rounds, faults ... (see stand_in/control.py) and return the state."""
        request = urllib.request.Request(
            f"{self.url}/_control", data=json.dumps(asked).encode(), method="POST"
        )
        with _NO_PROXY.open(request, timeout=30) as answer:
            return json.load(answer)

    def fault(self, op: str, kind: str, **options) -> dict:
        """Add one fault."""
        return self.control(faults=[{"op": op, "kind": kind, **options}])

    def reset(self) -> dict:
        """Forget what happened and go back to `OPEN`."""
        return self.control(reset=True, set_time=OPEN, running=False)

    def state(self) -> dict:
        """Return everything the server knows."""
        with _NO_PROXY.open(f"{self.url}/_control", timeout=30) as answer:
            return json.load(answer)

    def asked(self, op: str) -> int:
        """Return how many requests of a kind there have been."""
        return self.state()["requests"].get(op, 0)

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.process.close()


def clean_environment(**more: str) -> dict[str, str]:
    """An environment as cron has it: no keys, no address, little else."""
    kept = {"PATH", "HOME", "PYTHONPATH", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "LANG", "TMPDIR"}
    return {name: value for name, value in os.environ.items() if name in kept} | more
