"""What happened in a run, readable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from durable.testing.simulator.faults import Fault


@dataclass(kw_only=True, slots=True)
class Call:
    """One storage call, for traces."""

    number: int
    who: str
    operation: str
    resource: str
    at: float  # virtual seconds
    idle: bool = False  # a look at an empty queue
    fault: Fault | None = None
    answer: str = ""

    def __str__(self) -> str:
        struck = f"  *** {self.fault.name}: {self.fault.value}" if self.fault is not None else ""
        answer = f" -> {self.answer}" if self.answer else ""
        return (
            f"{self.at:9.3f} {self.who:10} #{self.number} "
            f"{self.operation} {self.resource}{answer}{struck}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Something that is no storage call."""

    who: str
    at: float
    text: str

    def __str__(self) -> str:
        return f"{self.at:9.3f} {self.who:10} {self.text}"


Entry = Call | Note


def lines_of(entries: Iterable[Entry], *, last: int | None = None) -> list[str]:
    """The entries as lines, idle looks left out; only the `last` so many, when that is given."""
    lines = [
        str(each)
        for each in entries
        if not (isinstance(each, Call) and each.idle and each.fault is None)
    ]
    if last is not None and len(lines) > last:
        return [f"... {len(lines) - last} lines before", *lines[-last:]]
    return lines
