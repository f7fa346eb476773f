"""Ctrl+C and SIGTERM: the first lets work end, the second ends the process at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable


def stop_on_signals(stop: asyncio.Event, at_once: Callable[[], None] | None = None) -> None:
    """Set `stop` when the process is asked to end; asked twice, it ends, after `at_once`."""
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        # Windows' loop has no signal handlers; Ctrl+C then ends the process at once.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(each, _on_signal, stop, each, at_once)


def _on_signal(
    stop: asyncio.Event, number: signal.Signals, at_once: Callable[[], None] | None
) -> None:
    if stop.is_set():
        if at_once is not None:
            at_once()
        # Asked twice: whoever asks does not want to wait for the drain.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    stop.set()
