"""The original's figures as recorded: DurableTask.AzureStorage 2.9.1, Azurite in memory, 2 cores.

Worker and client in one .NET process; without and with its extended sessions. Another machine than
today's, so they tell an order of magnitude; requests are exact on any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedLoop:
    """Seconds, and orchestrations a second; `sessions` are the same with extended sessions."""

    a_second: float
    a_second_sessions: float
    p50: float | None = None
    p50_sessions: float | None = None
    p95: float | None = None


LOOPS: Mapping[str, ClosedLoop] = {
    "1": ClosedLoop(a_second=12.6, a_second_sessions=17.0, p50=0.077, p50_sessions=0.057),
    "8": ClosedLoop(a_second=18.9, a_second_sessions=23.3, p50=0.248, p50_sessions=0.195, p95=2.2),
    "32": ClosedLoop(a_second=17.5, a_second_sessions=17.6),
}
#: Seconds by measurement: without and with extended sessions.
SECONDS: Mapping[str, tuple[float, float]] = {
    "sequence-100": (3.0, 1.8),
    "fan-out-100": (1.1, 1.0),
    "fan-out-1000": (17.8, 15.2),
    "events-500": (1.8, 2.2),
}
#: Storage requests by scenario. hello-3 was counted; the others follow from what each activity
#: costs: 9 in a sequence, on top of 9, and about 7 in a fan-out.
REQUESTS: Mapping[str, int] = {
    "hello-3": 36,
    "sequence 10": 99,
    "sequence 100": 909,
    "fan-out 100": 700,
    "fan-out 1000": 7000,
}
COUNTED = ("hello-3",)
IDLE_A_SECOND = 0.7
