"""Functions are called as the worker calls them."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

import pytest

from durable.errors import BadConfig, Unavailable
from durable.host.index import IndexedFunction
from durable.host.invoke import InvocationTimeoutError, Invoker
from durable.host.report import failure_text
from tests.unit.host.host_clock import ManualClock

Index = Callable[[str], tuple[IndexedFunction, ...]]
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="none")

APP = """
    import asyncio
    import azure.functions as func
    app = func.FunctionApp()

    @app.route(route="context")
    async def with_context(req, context):
        return (context.invocation_id, context.function_name, context.function_directory,
                context.trace_context, context.retry_context, context.thread_local_storage)

    @app.route(route="slow")
    async def slow(req):
        await asyncio.Event().wait()

    @app.route(route="own")
    async def own_timeout(req):
        raise TimeoutError("the user's own")

    @app.route(route="threaded")
    def threaded(req):
        return req.get()
"""


async def test_the_context_parameter(index: Index, invoker: Invoker) -> None:
    function = index(APP)[0]
    returned = await invoker.call(function, None)
    assert isinstance(returned, tuple)
    assert returned[:5] == (f"{1:032x}", "with_context", "/app", None, None)
    returned[5].invocation_id = "x"


async def test_a_threads_context_is_the_callers(index: Index, invoker: Invoker) -> None:
    VARIABLE.set("mine")
    assert await invoker.call(index(APP)[3], VARIABLE) == "mine"


async def test_the_function_timeout_fails_the_call(index: Index, clock: ManualClock) -> None:
    invoker = Invoker(clock, "/app", 0.01)
    with pytest.raises(InvocationTimeoutError, match=r"slow ran longer .* \(0\.01 s"):
        await invoker.call(index(APP)[1], None)
    invoker.close()


async def test_a_timeout_of_the_users_own_stays_his(index: Index, invoker: Invoker) -> None:
    with pytest.raises(TimeoutError, match="the user's own"):
        await invoker.call(index(APP)[2], None)


async def test_a_cancelled_call_is_cancelled(index: Index, invoker: Invoker) -> None:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(invoker.call(index(APP)[1], None))
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()


def test_a_bug_is_told_with_its_traceback_and_the_world_in_a_line() -> None:
    assert failure_text(Unavailable("nobody there")) == "nobody there"
    assert failure_text(BadConfig("wrong")) == "wrong"
    wrapped = RuntimeError("The sweep waits: nobody there")
    wrapped.__context__ = Unavailable("nobody there")
    assert failure_text(wrapped) == "The sweep waits: nobody there"
    with pytest.raises(ValueError, match="x") as caught:
        raise ValueError("x")
    text = failure_text(caught.value)
    assert text.startswith("Traceback")
    assert text.endswith("ValueError: x")
