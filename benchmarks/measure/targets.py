"""What must be seen, and whether it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Found = Mapping[str, Mapping[str, Any]]
#: The floor that the targets mean: each call after the answer of the one before it.
FLOOR = "one by one"
#: A floor that costs storage so much more than ours is not the same work: its ratio says nothing.
TOO_DEAR = 1.15
CPU_SCENARIO = "hello-3, one after the other"
_DOUBT = "**doubtful**: the floor cost storage more than ours"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One line of the table.

    Attributes:
        needs: the measurements it is read from.
        measured: the figure; None when the measurement left it out.
        limit: what it may be; `at_least` turns that round.
        digits, unit: how the figure is written.
        doubtful: whether what the figure is compared with cannot be right.
    """

    title: str
    needs: Sequence[str]
    measured: Callable[[Found], float | None]
    limit: float
    original: str
    digits: int = 0
    unit: str = ""
    at_least: bool = False
    doubtful: Callable[[Found], bool] = lambda _: False

    def line(self, found: Found) -> Sequence[str]:
        """Its cells: what, target, measured, the original, met or not."""
        target = f"at {'least' if self.at_least else 'most'} {self.limit:g}{self.unit}"
        value = self.measured(found) if all(name in found for name in self.needs) else None
        if value is None:
            return (self.title, target, "-", self.original, "not measured")
        if self.doubtful(found):
            return (
                self.title,
                target,
                f"{value:.{self.digits}f}{self.unit}",
                self.original,
                _DOUBT,
            )
        met = value >= self.limit if self.at_least else value <= self.limit
        return (
            self.title,
            target,
            f"{value:.{self.digits}f}{self.unit}",
            self.original,
            "yes" if met else "**no**",
        )


def _total(name: str, scenario: str) -> Callable[[Found], float | None]:
    return lambda found: found[name].get(scenario, {}).get("total")


def _step(found: Found) -> float | None:
    short, long = (
        _total("requests-worker", "sequence 10"),
        _total("requests-worker", "sequence 100"),
    )
    few, many = short(found), long(found)
    return None if few is None or many is None else (many - few) / 90


def _loop(clients: str, what: str) -> Callable[[Found], float | None]:
    def ratio(found: Found) -> float | None:
        loop = found["hello"]["clients"].get(clients)
        return None if loop is None else float(loop["ratios"][FLOOR][what]["median"])

    return ratio


def _too_dear(clients: str) -> Callable[[Found], bool]:
    def doubtful(found: Found) -> bool:
        loop = found["hello"]["clients"][clients]
        ours, floor = (loop[kind]["storage_cpu"]["median"] for kind in ("ours", FLOOR))
        return bool(floor > TOO_DEAR * ours)

    return doubtful


def _seconds(name: str) -> Callable[[Found], float | None]:
    return lambda found: found[name]["seconds"]["ours"]["median"]


def _cpu(found: Found) -> float | None:
    figures = found["cpu"].get(CPU_SCENARIO)
    return None if figures is None else figures["engine"] / figures["turns"]


def _share(kind: str) -> Callable[[Found], float | None]:
    return lambda found: (
        found["slow-fan-out"]["measured"][kind]["seconds"] / found["slow-fan-out"]["ideal_seconds"]
    )


TARGETS: Sequence[Target] = (
    Target(
        title="storage requests, hello-3, start and looks included: worker mode",
        needs=["requests-worker"],
        measured=_total("requests-worker", "hello-3"),
        limit=10,
        original="36",
    ),
    Target(
        title="the same in Functions mode, the host's get and delete and our own lease included",
        needs=["requests-functions"],
        measured=_total("requests-functions", "hello-3"),
        limit=14,
        original="-",
    ),
    Target(
        title="storage requests, a step of a sequence, in place",
        needs=["requests-worker"],
        measured=_step,
        limit=2,
        original="9",
        digits=2,
    ),
    Target(
        title="storage requests, fan-out of 1,000, one process: worker mode",
        needs=["requests-worker"],
        measured=_total("requests-worker", "fan-out 1000"),
        limit=120,
        original="about 7,000",
    ),
    Target(
        title="the same in Functions mode",
        needs=["requests-functions"],
        measured=_total("requests-functions", "fan-out 1000"),
        limit=120,
        original="about 7,000",
    ),
    Target(
        title="hello-3, 1 client, worker mode: p50 by the floor's",
        needs=["hello"],
        measured=_loop("1", "p50"),
        doubtful=_too_dear("1"),
        limit=2.5,
        original="77 ms",
        digits=2,
        unit=" times",
    ),
    Target(
        title="hello-3, 8 clients: throughput by the floor's",
        needs=["hello"],
        measured=_loop("8", "a_second"),
        doubtful=_too_dear("8"),
        limit=0.75,
        original="18.9 a second",
        digits=2,
        unit=" times",
        at_least=True,
    ),
    Target(
        title="hello-3, 32 clients: throughput by the floor's",
        needs=["hello"],
        measured=_loop("32", "a_second"),
        doubtful=_too_dear("32"),
        limit=0.75,
        original="17.5 a second",
        digits=2,
        unit=" times",
        at_least=True,
    ),
    Target(
        title="sequence of 100",
        needs=["sequence-100"],
        measured=_seconds("sequence-100"),
        limit=0.7,
        original="3.0 s",
        digits=2,
        unit=" s",
    ),
    Target(
        title="fan-out of 1,000",
        needs=["fan-out-1000"],
        measured=_seconds("fan-out-1000"),
        limit=3.0,
        original="17.8 s",
        digits=2,
        unit=" s",
    ),
    Target(
        title="engine CPU a turn, storage apart (hello-3)",
        needs=["cpu"],
        measured=_cpu,
        limit=1.0,
        original="-",
        digits=2,
        unit=" ms",
    ),
    Target(
        title="idle worker",
        needs=["idle"],
        measured=lambda found: found["idle"]["a_second"],
        limit=0.7,
        original="0.7",
        digits=2,
        unit=" requests a second",
    ),
    Target(
        title="fan-out of slow activities, two workers: time by the ideal",
        needs=["slow-fan-out"],
        measured=_share("workers"),
        limit=1.3,
        original="-",
        digits=2,
        unit=" times",
    ),
    Target(
        title="the same, two local hosts",
        needs=["slow-fan-out"],
        measured=_share("local hosts"),
        limit=1.3,
        original="-",
        digits=2,
        unit=" times",
    ),
)
