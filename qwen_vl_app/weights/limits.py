"""The numbers of a download, stated once; tests give smaller ones."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds.

    A restart fetches at most `connections` pieces again, 32 MiB. An outage is waited for `give_up_seconds` from the
    last byte on. `stall_bytes` in `stall_seconds` is less than a modem sent: at that rate the model takes a week.
    """

    piece: int = 8 * MIB
    connections: int = 4
    spare: int = 1024 * MIB
    probe: int = MIB
    probe_seconds: float = 15.0
    probe_patience: float = 1.0
    connect_seconds: float = 10.0
    stall_seconds: float = 30.0
    stall_bytes: int = MIB // 4
    first_pause: float = 1.0
    longest_pause: float = 60.0
    give_up_seconds: float = 900.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after `failures` rounds in which no hub gave a byte: doubling, up to the longest."""
        return float(min(self.first_pause * 2 ** min(failures, 16), self.longest_pause))


@dataclass(frozen=True)
class Clock:
    """Time as the download sees it; tests let it run faster."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
