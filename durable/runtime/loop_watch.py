"""An event loop that doesn't turn is noticed by a thread, which says by whose code it is held up.

An orchestrator, or an ``async def`` activity or entity, that computes or waits without ``await``
stops everything in its process: other turns, and the renewal of leases. From outside that looks
like a process that died.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import traceback
from types import FrameType

from durable.runtime.at_work import at_work_on

log = logging.getLogger("durable.loop")

#: The loop is asked so often in the time after which it counts as blocked.
_LOOKS = 4
#: A process that was stopped and goes on finds its time over, and its loop not asked yet.
_GRACE_SECONDS = 0.05
_FRAMES = 20


class LoopWatch:
    """Watches one loop.

    A blockage is reported once it has lasted `seconds`, and again each time it has lasted twice as
    long. One that is a quarter longer than `seconds` is never missed. What it costs is a call on
    the loop every `seconds` / 4.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._stopping = threading.Event()
        self._turned = threading.Event()
        self._loops_thread = 0
        self._thread = threading.Thread(target=self._watch, name="durable-loop-watch", daemon=True)

    def start(self) -> None:
        """Watch from now on; called on the loop itself, or before it runs."""
        self._loops_thread = threading.get_ident()
        self._thread.start()

    def close(self) -> None:
        """Watch no longer."""
        self._stopping.set()
        self._turned.set()  # the thread may wait for it
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(self._seconds / _LOOKS):
            self._turned.clear()
            if self._stopping.is_set() or not self._ask():
                return
            asked_at = self._loop.time()
            if self._turned.wait(self._seconds) or self._turned.wait(_GRACE_SECONDS):
                continue
            self._report_until_it_turns(asked_at)

    def _ask(self) -> bool:
        """Whether the loop can still be asked to show that it turns."""
        try:
            self._loop.call_soon_threadsafe(self._turn)
        except RuntimeError:
            return False  # it is closed
        return True

    def _turn(self) -> None:
        self._loops_thread = threading.get_ident()
        self._turned.set()

    def _report_until_it_turns(self, asked_at: float) -> None:
        told = False
        pause = self._seconds
        while not self._turned.is_set():
            if self._loop.is_running():  # between two runs of it nobody waits
                self._report(self._loop.time() - asked_at)
                told = True
            self._turned.wait(pause)
            pause *= 2
        if told and not self._stopping.is_set():
            log.info("the event loop turns again, after %.1f s", self._loop.time() - asked_at)

    def _report(self, seconds: float) -> None:
        work = at_work_on(self._loop)
        log.warning(
            "the event loop has been blocked for %.1f s by %s. Nothing else runs in this process "
            "meanwhile, and no lease is renewed. What computes for long or waits without 'await' "
            "belongs into an activity that is a plain 'def': those run in threads.\n%s",
            seconds,
            work or "the code below",
            self._stack(),
            extra={"instance_id": work.instance_id} if work is not None else None,
        )

    def _stack(self) -> str:
        """What the loop's thread runs: files, lines and their source, no values."""
        frames: dict[int, FrameType] = sys._current_frames()  # noqa: SLF001 - its documented name
        frame = frames.get(self._loops_thread)
        if frame is None:
            return "(its thread has ended)"
        stack = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=_FRAMES)
        stack.reverse()
        return "".join(stack.format()).rstrip()
