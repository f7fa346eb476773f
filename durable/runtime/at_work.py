"""Whose code runs in a task: for those who look at the event loop from another thread."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

_doing: dict[asyncio.Task[Any], AtWork] = {}


class AtWork:
    """The current task runs this code for the block."""

    __slots__ = ("_before", "_task", "instance_id", "kind", "name")

    def __init__(self, kind: str, name: str | None, instance_id: str) -> None:
        self.kind = kind
        self.name = name
        self.instance_id = instance_id
        self._task: asyncio.Task[Any] | None = None
        self._before: AtWork | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} (instance {self.instance_id!r})"

    def __enter__(self) -> None:
        task = self._task = asyncio.current_task()
        if task is not None:
            self._before = _doing.get(task)
            _doing[task] = self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is None:
            return
        if self._before is None:
            _doing.pop(self._task, None)
        else:
            _doing[self._task] = self._before


def at_work_on(loop: asyncio.AbstractEventLoop) -> AtWork | None:
    """What the task that runs on `loop` right now is at; may be asked from any thread."""
    task = asyncio.current_task(loop)
    return None if task is None else _doing.get(task)
