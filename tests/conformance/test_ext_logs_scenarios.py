"""8.7, rows 10, 12, 15 and 23: what is logged, and what is not."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Iterator
from typing import Any

import durable as df
from tests.conformance.conformance import conforms
from tests.conformance.stage import Stage, outcome

Steps = Generator[Any, Any, Any]

app = df.DFApp()
#: The loggers of the orchestrators' own lines.
OWN = logging.getLogger("conformance.ext")


class Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        """What a formatter makes of them, tracebacks included."""
        return [logging.Formatter().format(record) for record in self.records]


@contextlib.contextmanager
def heard(logger: logging.Logger, level: int) -> Iterator[Heard]:
    """What `logger` and those below it say during the block, from `level` on."""
    handler, before = Heard(), logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield handler
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


@app.orchestration_trigger(context_name="context")
def factorial(context: df.DurableOrchestrationContext) -> Steps:
    safe, result = context.create_replay_safe_logger(OWN.getChild("safe")), 1
    for factor in range(1, context.get_input() + 1):
        safe.info("step %d", factor)
        OWN.getChild("plain").info("step %d", factor)
        result = yield context.call_activity("multiply", [result, factor])
    return result


@app.orchestration_trigger(context_name="context")
def catches(context: df.DurableOrchestrationContext) -> Steps:
    for _ in range(3):
        try:
            yield context.call_activity("throw", context.get_input())
        except RuntimeError:
            continue
    return "caught"


@app.orchestration_trigger(context_name="context")
def throws(context: df.DurableOrchestrationContext) -> Steps:
    yield context.call_activity("throw", context.get_input())


@app.activity_trigger(input_name="factors")
async def multiply(factors: list[int]) -> int:
    return factors[0] * factors[1]


@app.activity_trigger(input_name="message")
async def throw(message: str) -> None:
    raise RuntimeError(message)


# Azurite may be slow enough to be worth a line.
@conforms("dtfx-8.7-10", on=("memory", "cold"))
async def test_a_run_that_goes_well_has_nothing_to_say(stage: Stage) -> None:
    with heard(logging.getLogger("durable"), logging.INFO) as engine:
        async with stage.host(app) as host:
            assert outcome(await host.run("factorial", 10)) == ("Completed", 3628800)
    assert engine.lines == []


@conforms("dtfx-8.7-12")
async def test_an_exception_of_several_lines_is_one_line_of_the_log(stage: Stage) -> None:
    with heard(logging.getLogger("durable"), logging.DEBUG) as engine:
        async with stage.host(app) as host:
            status = await host.run("throws", "This\nhas\r\nnewlines", "i1")
    assert status.output.endswith("RuntimeError: This\nhas\r\nnewlines")
    failures = [line for line in engine.lines if "failed with" in line]
    assert failures == ["activity 'throw' (task 0 of instance 'i1') failed with RuntimeError"]
    assert not any("\n" in line or "\r" in line for line in engine.lines)


@conforms("dtfx-8.7-15")
async def test_the_engine_logs_what_happens_and_never_a_replay(stage: Stage) -> None:
    said = []
    for number, told in enumerate((False, True)):
        with heard(logging.getLogger("durable"), logging.INFO) as engine:
            async with stage.host(app, tracing={"traceReplayEvents": told}) as host:
                status = await host.run("catches", "secret", f"i{number}")
        assert outcome(status) == ("Completed", "caught")
        said.append([line for line in engine.lines if line.startswith("activity")])
    assert said == [
        [
            f"activity 'throw' (task {task} of instance 'i{number}') failed with RuntimeError"
            for task in range(3)
        ]
        for number in range(2)
    ]


@conforms("dtfx-8.7-23")
async def test_ten_steps_are_logged_ten_times_and_replayed_only_without_a_session(
    stage: Stage,
) -> None:
    steps = [f"step {factor}" for factor in range(1, 11)]
    for fast in (True, False):
        with heard(OWN, logging.INFO) as own:
            async with stage.host(app, fastPath=fast) as host:
                assert outcome(await host.run("factorial", 10)) == ("Completed", 3628800)
        safe = [record.getMessage() for record in own.records if record.name.endswith("safe")]
        plain = [record.getMessage() for record in own.records if record.name.endswith("plain")]
        assert safe == steps
        if stage.where == "cold" and not fast:
            # Each of the eleven turns begins again: step 1 eleven times, step 10 twice.
            assert plain == [step for turn in range(1, 12) for step in steps[:turn]]
        else:  # a chain of turns is in memory until it rests, session or not
            assert plain == steps
