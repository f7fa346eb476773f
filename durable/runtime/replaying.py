"""An orchestrator run through its history, in slices: the loop gets its turn in between."""

from __future__ import annotations

from durable.clock import Clock
from durable.engine.execution import Execution
from durable.engine.ledger import Ledger
from durable.runtime.at_work import AtWork
from durable.runtime.programs import Programs


async def replay(ledger: Ledger, programs: Programs, clock: Clock, *, slice_rows: int) -> Execution:
    """The orchestrator of a started execution, after its last row.

    Raises:
        UnknownFunction, VersionMismatch, NonDeterminismError: the code is missing, or disagrees.
    """
    started = ledger.started
    if started is None:
        raise AssertionError("only a started execution is replayed")
    work = AtWork("orchestrator", started.name, started.instance.instance_id)
    live = programs.open(started)
    try:
        for begin in range(0, len(ledger.rows), slice_rows):
            with work:
                for row in ledger.rows[begin : begin + slice_rows]:
                    live.feed(row.event, replaying=True)
            if begin + slice_rows <= len(ledger.rows):
                await clock.sleep(0)
    except BaseException:
        live.close()
        raise
    return live
