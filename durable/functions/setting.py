"""One setting of host.json, as the table describes it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.Enum):
    """What a setting's value is."""

    TEXT = "text"
    FLAG = "true or false"
    INTEGER = "whole number"
    SPAN = "hh:mm:ss"
    CHOICE = "one of"
    LIST = "list"


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        path: below ``extensions.durableTask``, dotted.
        kind: what its value is.
        default: when it is left out; None: nothing. For what has no effect: the original's.
        unit: of numbers.
        low, high: the range of numbers, and of spans in seconds.
        choices: for CHOICE.
        does: what it does here; None: it has no effect.
        because: why it has none; of what only a worker reads: why not under the Functions host.
        worker_only: read by ``python -m durable worker`` alone.
        acts_as: as if it were always set to this, so that setting it to this is no surprise.
        shown: the default for readers, when `default` doesn't say it.
    """

    path: str
    kind: Kind
    default: object = None
    unit: str = ""
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    does: str | None = None
    because: str = ""
    acts_as: object = None
    shown: str = ""
    worker_only: bool = False

    @property
    def is_honoured(self) -> bool:
        """Whether it has an effect in a Functions app."""
        return self.does is not None and not self.worker_only


@dataclass(frozen=True, kw_only=True, slots=True)
class AppSetting:
    """An app setting (environment variable).

    Attributes:
        name, default: for readers.
        does: what it does.
        local_host: only the local host reads it.
    """

    name: str
    default: str
    does: str
    local_host: bool = False
