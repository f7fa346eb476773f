"""Versions of orchestrations: which is newer, and which of them a process runs.

The rules are DurableTask.Core's (VersioningSettings.cs).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

_NUMBERS = re.compile(r"\d+(\.\d+)*", re.ASCII)


class VersionMatch(enum.StrEnum):
    """Which versions a process runs; the texts are host.json's."""

    NONE = "None"
    STRICT = "Strict"
    CURRENT_OR_OLDER = "CurrentOrOlder"


class VersionFailure(enum.StrEnum):
    """What becomes of an instance of another version; the texts are host.json's."""

    REJECT = "Reject"
    FAIL = "Fail"


def compare_versions(one: str | None, other: str | None) -> int:
    """Below 0 when `one` is older than `other`, above 0 when it is newer, 0 when they are equal.

    No version is older than any. Numbers with dots are compared number by number, and then
    ``1.0`` is older than ``1.0.0``; anything else as text, without regard to case. (The original
    compares numbers only when there are two to four of them: to it, ``10`` is older than ``9``.)
    """
    left, right = (one or "").strip(), (other or "").strip()
    if _NUMBERS.fullmatch(left) and _NUMBERS.fullmatch(right):
        numbers, others = _numbers(left), _numbers(right)
        return (numbers > others) - (numbers < others)
    text, another = left.upper(), right.upper()
    return (text > another) - (text < another)


def _numbers(version: str) -> list[tuple[int, str]]:
    """Comparable as numbers are, without making an int of digits that may be very many."""
    digits = (part.lstrip("0") for part in version.split("."))
    return [(len(part), part) for part in digits]


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionPolicy:
    """A process's version, and which instances it runs.

    Attributes:
        version: its own; new instances get it unless their start names another. Empty: none.
        match: which versions it runs.
        failure: what becomes of the others.
    """

    version: str = ""
    match: VersionMatch = VersionMatch.CURRENT_OR_OLDER
    failure: VersionFailure = VersionFailure.REJECT

    def runs(self, version: str | None) -> bool:
        """Whether an instance of `version` is this process's to run."""
        if self.match is VersionMatch.NONE:
            return True
        if self.match is VersionMatch.STRICT:
            return (version or "").strip() == self.version.strip()
        return compare_versions(version, self.version) <= 0

    def leaves(self, version: str | None) -> bool:
        """Whether an instance of `version` is left to a process that runs it."""
        return self.failure is VersionFailure.REJECT and not self.runs(version)

    def stamp(self, version: str | None) -> str:
        """The version of a new instance whose start names `version`; None names none."""
        return self.version if version is None else version
