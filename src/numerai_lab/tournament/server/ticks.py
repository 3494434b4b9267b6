"""Moments that stay comparable between processes however this machine's clock is set."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Clock = Callable[[], float]
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment by the monotonic clock, which all processes of a machine share while it runs.

    Attributes
    ----------
    boot : names one run of one machine; None where the system does not tell (macOS, Windows).
    seconds : of the monotonic clock, which begins anew when a machine is started.
    """

    boot: str | None
    seconds: float

    def age(self, clock: Clock = time.monotonic) -> float | None:
        """Return the seconds since then, None where that cannot be known.

        Without a name of the boot it may be less than the truth after a restart, never more.
        """
        passed = clock() - self.seconds
        return passed if self.boot == boot_id() and passed >= 0 else None


def tick(clock: Clock = time.monotonic) -> Tick:
    """Return this moment."""
    return Tick(boot_id(), clock())


def boot_id() -> str | None:
    """Return Linux's name of this boot, None elsewhere."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None
