"""The user's code as something to resume: a generator, a coroutine or another awaitable."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Coroutine, Generator
from types import FrameType

from durable.engine.failures import is_ours
from durable.engine.task_base import TaskBase, TaskState

#: Code that yields again and again while it is being closed is left alone after so many times.
MAX_CLOSE_ATTEMPTS = 100


class Routine:
    """Suspended user code."""

    def __init__(
        self, body: Generator[object, object, object] | Coroutine[object, object, object]
    ) -> None:
        self._body = body

    @classmethod
    def of(cls, value: object) -> Routine | None:
        """What an orchestrator function returned, as a routine; None when it is a plain value."""
        if isinstance(value, Generator | Coroutine):
            return cls(value)
        if isinstance(value, Awaitable):
            return cls(_awaiting(value))
        return None

    def resume(self, task: TaskBase) -> object:
        """Run on with the outcome of `task`, up to what is waited for next, and return that.

        Raises:
            StopIteration: the code returned.
            BaseException: the code raised.
        """
        if task.state is TaskState.FAILED and isinstance(task.result, BaseException):
            return self._body.throw(task.result)
        return self._body.send(task.result)

    def location(self) -> str | None:
        """``file:line`` where the user's code is suspended, as deep as it is the user's."""
        found: str | None = None
        step: object = self._body
        while step is not None:
            frame = getattr(step, "gi_frame", None) or getattr(step, "cr_frame", None)
            if isinstance(frame, FrameType) and not is_ours(frame.f_globals):
                found = _place(frame)
            step = getattr(step, "gi_yieldfrom", None) or getattr(step, "cr_await", None)
        return found

    def close(self) -> None:
        """End it where it is. Code run by that may yield or raise; neither does harm."""
        for _ in range(MAX_CLOSE_ATTEMPTS):
            try:
                self._body.close()
            except RuntimeError:
                # "generator ignored GeneratorExit": it yielded; close it again, or the garbage
                # collector would. If the code raised it itself, closing again does nothing.
                continue
            except BaseException:  # noqa: BLE001 - the code was dropped, and so is what it raises
                return
            return


async def _awaiting(value: Awaitable[object]) -> object:
    return await value


def caller_location() -> str | None:
    """``file:line`` of the user's code that called into durable."""
    frame = inspect.currentframe()
    while frame is not None and is_ours(frame.f_globals):
        frame = frame.f_back
    return None if frame is None else _place(frame)


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
