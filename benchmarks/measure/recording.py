"""Writes down every storage call that an engine makes: what, when it began, when it was answered.

`RecordingAccount` stands between an engine and its account. What it heard is a `Recording`, which
`benchmarks.measure.floor` issues again with no engine.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

from durable.storage.ports import Account, BlobStore, QueueStore, TableStore
from durable.storage.values import Operation, Write

#: By method, the operation that a request asks for, as the services' reference names it.
OPERATIONS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "put": lambda _: "queue Put Message",
    "get": lambda _: "queue Get Messages",
    "update": lambda _: "queue Update Message",
    "delete": lambda _: "queue Delete Message",
    "read": lambda _: "table Get Entity",
    "query": lambda _: "table Query Entities",
    "write": lambda given: _write_name(given["operation"]),
    "batch": lambda _: "table Entity Group Transaction",
    "put_blob": lambda _: "blob Put Blob",
    "get_blob": lambda _: "blob Get Blob",
    "list_blobs": lambda _: "blob List Blobs",
    "delete_blob": lambda _: "blob Delete Blob",
}
_PARAMETERS: Mapping[str, Sequence[str]] = {
    "put": ("queue", "text"),
    "get": ("queue",),
    "update": ("queue", "message_id", "pop_receipt"),
    "delete": ("queue", "message_id", "pop_receipt"),
    "read": ("table", "partition_key", "row_key"),
    "query": ("table", "condition"),
    "write": ("table", "operation"),
    "batch": ("table", "operations"),
    "put_blob": ("container", "name", "data"),
    "get_blob": ("container", "name"),
    "list_blobs": ("container", "prefix"),
    "delete_blob": ("container", "name"),
}
_looking: ContextVar[bool] = ContextVar("looking", default=False)


@contextlib.contextmanager
def looking() -> Iterator[None]:
    """The calls made inside are a client's looks at how far its instance is."""
    token = _looking.set(True)
    try:
        yield
    finally:
        _looking.reset(token)


@dataclass(slots=True, eq=False)
class StorageCall:
    """One call to a port.

    Attributes:
        method: of the port; `given` are its arguments by name.
        is_look: made by a client that waits for its instance.
        answer: what it returned; `refusal` what it raised instead.
    """

    method: str
    given: Mapping[str, Any]
    is_look: bool
    answer: Any = None
    refusal: BaseException | None = None

    @property
    def operation(self) -> str:
        return OPERATIONS[self.method](self.given)

    @property
    def is_idle(self) -> bool:
        """A look into a queue that had nothing."""
        return self.method == "get" and not self.answer

    @property
    def is_upkeep(self) -> bool:
        """Of the workers' share of the queues, which runs beside all work."""
        return str(self.given.get("table", "")).endswith("Partitions")


@dataclass(frozen=True, slots=True)
class Step:
    """A call began, or was answered."""

    call: StorageCall
    begins: bool


@dataclass(slots=True)
class Recording:
    """What was heard, in the order in which calls began and were answered."""

    steps: list[Step] = field(default_factory=list)

    @property
    def calls(self) -> list[StorageCall]:
        """In the order in which they began."""
        return [step.call for step in self.steps if step.begins]

    def work(self) -> Recording:
        """Without idle looks into queues, upkeep, and what was not answered in time."""
        answered = {id(step.call) for step in self.steps if not step.begins}
        return Recording(
            [
                step
                for step in self.steps
                if id(step.call) in answered and not (step.call.is_idle or step.call.is_upkeep)
            ]
        )

    def counts(self) -> Counter[str]:
        """How many of each operation."""
        return Counter(call.operation for call in self.calls)

    @property
    def looks(self) -> int:
        return sum(call.is_look for call in self.calls)


class Recorder:
    """Keeps what the stores hear between `begin` and `end`."""

    def __init__(self) -> None:
        self._recording: Recording | None = None

    def begin(self) -> None:
        self._recording = Recording()

    def end(self) -> Recording:
        """What was heard since `begin`."""
        recording, self._recording = self._recording, None
        if recording is None:
            raise RuntimeError("It was not begun.")
        return recording

    async def hear(
        self, method: str, make: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]
    ) -> Any:
        recording = self._recording
        if recording is None:
            return await make(*args, **named)
        given = {**dict(zip(_PARAMETERS[method], args, strict=False)), **named}
        call = StorageCall(method, given, _looking.get())
        recording.steps.append(Step(call, True))
        try:
            call.answer = await make(*args, **named)
        except BaseException as error:
            call.refusal = error
            raise
        finally:
            recording.steps.append(Step(call, False))
        return call.answer


class _Heard:
    """A store whose calls a recorder hears."""

    def __init__(self, store: object, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        make = getattr(self._store, name)
        if name not in OPERATIONS:
            return make

        async def heard(*args: Any, **named: Any) -> Any:
            return await self._recorder.hear(name, make, args, named)

        setattr(self, name, heard)  # found at once the next time
        return heard


class RecordingAccount:
    """An account that writes down what is asked of it."""

    def __init__(self, account: Account, recorder: Recorder) -> None:
        self._account = account
        self.queues = cast(QueueStore, _Heard(account.queues, recorder))
        self.tables = cast(TableStore, _Heard(account.tables, recorder))
        self.blobs = cast(BlobStore, _Heard(account.blobs, recorder))

    async def close(self) -> None:
        await self._account.close()


_WRITES: Mapping[Write, str] = {
    Write.INSERT: "Insert Entity",
    Write.MERGE: "Merge Entity",
    Write.REPLACE: "Update Entity",
    Write.UPSERT_MERGE: "Insert Or Merge Entity",
    Write.UPSERT_REPLACE: "Insert Or Replace Entity",
    Write.DELETE: "Delete Entity",
}


def _write_name(operation: Operation) -> str:
    return f"table {_WRITES[operation.write]}"
