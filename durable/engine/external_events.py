"""External events: each goes to one waiter, or waits for one. Names ignore case."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from durable.engine.atomic_tasks import EventTask
from durable.engine.task_base import TaskBase
from durable.model.events import EventRaised


@dataclass(slots=True)
class _Box:
    """The events of one name that nobody took, and the tasks that wait for one.

    `aside` are waiters the code turned away from: losers of a task_any.
    """

    buffered: deque[tuple[int, EventRaised]] = field(default_factory=deque)
    waiting: OrderedDict[EventTask, None] = field(default_factory=OrderedDict)
    aside: OrderedDict[EventTask, None] = field(default_factory=OrderedDict)


class ExternalEvents:
    """First come, first served, each event once.

    An event goes to the oldest waiter that the code is waiting for now. When there is none, to the
    newest one it turned away from (as the original, whose waiters are a stack): code that looks at
    ``task.is_completed`` later finds it there. When there is none either, it is kept.
    """

    def __init__(self) -> None:
        self._boxes: dict[str, _Box] = {}
        self._arrived = 0

    @property
    def unconsumed(self) -> tuple[EventRaised, ...]:
        """The events nobody took, in order of arrival."""
        kept = [entry for box in self._boxes.values() for entry in box.buffered]
        return tuple(event for _, event in sorted(kept, key=lambda entry: entry[0]))

    def wait(self, task: EventTask) -> None:
        """Give `task` the oldest event of its name, or put it in line. Again is harmless."""
        box = self._box(task.name)
        if box.buffered:
            task.deliver(box.buffered.popleft()[1])
            return
        box.aside.pop(task, None)
        box.waiting.setdefault(task)

    def arrive(self, event: EventRaised, awaited: TaskBase | None) -> None:
        """Hand on `event`; `awaited` is what the code is waiting for now."""
        box = self._box(event.name or "")
        while box.waiting:
            task, _ = box.waiting.popitem(last=False)
            if _is_part_of(task, awaited):
                task.deliver(event)
                return
            box.aside[task] = None
        if box.aside:
            box.aside.popitem()[0].deliver(event)
            return
        box.buffered.append((self._arrived, event))
        self._arrived += 1

    def abandon(self) -> None:
        """The code has ended: nobody waits any more."""
        for box in self._boxes.values():
            box.waiting.clear()
            box.aside.clear()

    def _box(self, name: str) -> _Box:
        return self._boxes.setdefault(name.lower(), _Box())


def _is_part_of(task: TaskBase, whole: TaskBase | None) -> bool:
    seen: set[TaskBase] = set()
    ahead = [task]
    while ahead:
        part = ahead.pop()
        if part is whole:
            return True
        if part not in seen:
            seen.add(part)
            ahead.extend(part.parents)
    return False
