"""The parent of several worker processes: starts them, restarts what dies, ends them together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

from durable.clock import Clock

log = logging.getLogger("durable.worker")

#: The exit code of what cannot start as it is called or configured: no use in trying again.
CANNOT_START = 2
FAILED = 1
_LONGEST_PAUSE_SECONDS = 30.0
#: One that lived so long starts with the shortest pause again.
_LONG_LIFE_SECONDS = 60.0


class Processes:
    """Children of one command.

    Each is in a session of its own, so that Ctrl+C reaches the parent alone, and has the parent's
    end of its standard input to tell by that the parent is gone.

    Args:
        command: what starts a child; its number is added.
        clock: the process's clock.
        patience_seconds: so long a child may take to end.
    """

    def __init__(self, command: Sequence[str], clock: Clock, *, patience_seconds: float) -> None:
        self._command = command
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._running: dict[int, Process] = {}
        self._code = 0

    async def run(self, count: int, stop: asyncio.Event) -> int:
        """Keep `count` children running until `stop`; the exit code: 0 when all ended well."""
        try:
            async with asyncio.TaskGroup() as tasks:
                keeping = [
                    tasks.create_task(self._keep(number, stop)) for number in range(1, count + 1)
                ]
                await stop.wait()
                for process in self._running.values():
                    _terminate(process)
                _, late = await asyncio.wait(keeping, timeout=self._patience_seconds)
                if late:
                    log.error("%d processes did not end; they are killed.", len(late))
                    self._code = self._code or FAILED
                    self.kill()
        finally:
            self.kill()
        return self._code

    def kill(self) -> None:
        """End the children at once."""
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    async def _keep(self, number: int, stop: asyncio.Event) -> None:
        deaths = 0
        while not stop.is_set():
            began = self._clock.monotonic()
            code = await self._live(number, stop)
            if code == CANNOT_START:
                # It has said why, and the others cannot either.
                self._code = CANNOT_START
                stop.set()
            if stop.is_set():
                if code != 0:
                    self._code = self._code or FAILED
                return
            lived = self._clock.monotonic() - began
            deaths = 1 if lived >= _LONG_LIFE_SECONDS else deaths + 1
            pause = min(2.0 ** (deaths - 1), _LONGEST_PAUSE_SECONDS)
            log.error("Process %d %s; it is started again in %g s.", number, _told(code), pause)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stop.wait()

    async def _live(self, number: int, stop: asyncio.Event) -> int:
        """Start a child and wait for its end; its exit code."""
        process = await asyncio.create_subprocess_exec(
            *self._command, str(number), stdin=PIPE, start_new_session=True
        )
        self._running[number] = process
        if stop.is_set():
            _terminate(process)
        try:
            return await process.wait()
        finally:
            del self._running[number]


def _terminate(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()


def _told(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
