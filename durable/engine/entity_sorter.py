"""Requests to entities in order and once: labels on the sender's side, sorting on the receiver's.

Every request carries a label (`timestamp`) and the label of the one before it to the same entity
(`predecessor`). A receiver lets a request through when its predecessor went through, holds it while
that is missing, and drops what it has seen; only inside a window, beyond which nothing is
remembered. This is DurableTask.Core's MessageSorter, but for four things of ours:

* A request that names what the sender's *earlier execution* sent last (`after`) waits for that, so
  that order holds across continue-as-new. The original begins anew with each execution.
* A request of an execution that was superseded is let through on its own. The original turns back
  to that execution, and then holds the newer one's next request until the window has passed.
* Nothing is held longer than the window, even when nothing else arrives (`release_held`).
* A request without a label is let through. The original drops it as a duplicate.

Both classes are working copies: made from a state, asked for the state when done.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from durable.model.entities import Earlier, OperationRequest, SenderEntry, SorterState
from durable.model.times import NO_TIME, from_ticks, ticks_of

DEFAULT_WINDOW = timedelta(minutes=30)
# Not too often: collecting looks at everything (DurableTask.Core MessageSorter.cs).
_BETWEEN_COLLECTIONS = 10 * 10_000_000
# A sender may continue as new every second; only the last few can have messages on their way.
_MOST_EARLIER = 10
_MICROSECOND = timedelta(microseconds=1)
_LATEST = ticks_of(datetime.max.replace(tzinfo=UTC))


def _length(window: timedelta) -> int:
    return (window // _MICROSECOND) * 10


def is_idle(state: SorterState, now: datetime, window: timedelta) -> bool:
    """Whether forgetting `state` changes nothing: all of it is older than the window."""
    horizon = ticks_of(now) - _length(window)
    labels = [*state.last_sent.values()]
    for entry in state.received.values():
        if entry.buffered:
            return False
        labels += [entry.last, *entry.earlier.values()]
    return all(ticks_of(label) < horizon for label in labels)


class Labeller:
    """Labels what one sender sends to entities.

    Args:
        state: the labels given out so far.
        earlier: what the sender's earlier executions sent last, by target (`handed_over`).
    """

    def __init__(
        self,
        state: SorterState | None = None,
        *,
        window: timedelta = DEFAULT_WINDOW,
        earlier: Mapping[str, Earlier] | None = None,
    ) -> None:
        state = state or SorterState()
        self._window = _length(window)
        self._last = {target: ticks_of(label) for target, label in state.last_sent.items()}
        self._horizon = ticks_of(state.send_horizon)
        self._earlier = dict(earlier or {})

    def label(self, request: OperationRequest, target: str, now: datetime) -> OperationRequest:
        """`request`, as it is to be sent to `target` at `now`."""
        if not self._window:
            return request
        label = ticks_of(now)
        self._collect(label)
        after = self._earlier.get(target)
        if after is not None:
            sent = ticks_of(after.timestamp)
            after = after if sent >= label - self._window else None
            label = max(label, sent + 1)
        last = self._last.get(target)
        if last is not None:
            # The clock may stand still or go back; labels grow.
            label = max(label, last + 1)
        self._last[target] = label
        return replace(
            request,
            timestamp=from_ticks(label),
            predecessor=NO_TIME if last is None else from_ticks(last),
            after=after,
        )

    def last_to(self, target: str) -> datetime | None:
        """The last label given to what was sent to `target`."""
        label = self._last.get(target)
        return None if label is None else from_ticks(label)

    def into(self, state: SorterState) -> SorterState:
        """`state` with this sender's labels."""
        return replace(
            state,
            last_sent={target: from_ticks(label) for target, label in self._last.items()},
            send_horizon=from_ticks(self._horizon),
        )

    def handed_over(self, execution_id: str, now: datetime) -> dict[str, Earlier]:
        """What the sender's next execution must know: `earlier` of its labeller."""
        horizon = ticks_of(now) - self._window
        known = self._earlier | {
            target: Earlier(execution_id=execution_id, timestamp=from_ticks(label))
            for target, label in self._last.items()
        }
        if not self._window:
            return {}
        return {to: each for to, each in known.items() if ticks_of(each.timestamp) >= horizon}

    def _collect(self, now: int) -> None:
        if self._horizon + self._window + _BETWEEN_COLLECTIONS < now:
            self._horizon = now - self._window
            self._last = {to: label for to, label in self._last.items() if label >= self._horizon}


@dataclass(slots=True)
class _Sender:
    """A working copy of a `SenderEntry`, in ticks."""

    last: int = 0
    execution_id: str | None = None
    buffered: dict[int, OperationRequest] = field(default_factory=dict)
    labels: list[int] = field(default_factory=list)  # of buffered, sorted
    earlier: dict[str, int] = field(default_factory=dict)

    def entry(self) -> SenderEntry:
        return SenderEntry(
            last=from_ticks(self.last),
            execution_id=self.execution_id,
            buffered=tuple(self.buffered[label] for label in self.labels),
            earlier={name: from_ticks(label) for name, label in self.earlier.items()},
        )

    def hold(self, request: OperationRequest, label: int) -> OperationRequest:
        """Buffer `request`; the one that is buffered under its label."""
        if label not in self.buffered:
            insort(self.labels, label)
        return self.buffered.setdefault(label, request)

    def take(self, label: int) -> OperationRequest:
        self.labels.remove(label)
        return self.buffered.pop(label)

    def let_through(self, label: int, horizon: int) -> None:
        self.last = label if label >= horizon else 0

    def forget(self, horizon: int) -> None:
        self.last = self.last if self.last >= horizon else 0
        self.earlier = {name: label for name, label in self.earlier.items() if label >= horizon}


def _sender(entry: SenderEntry) -> _Sender:
    buffered = {ticks_of(request.timestamp): request for request in entry.buffered}
    return _Sender(
        last=ticks_of(entry.last),
        execution_id=entry.execution_id,
        buffered=buffered,
        labels=sorted(buffered),
        earlier={name: ticks_of(label) for name, label in entry.earlier.items()},
    )


class Sorter:
    """Sorts what one entity receives."""

    def __init__(
        self, state: SorterState | None = None, *, window: timedelta = DEFAULT_WINDOW
    ) -> None:
        state = state or SorterState()
        self._window = _length(window)
        self._horizon = ticks_of(state.receive_horizon)
        self._senders = {name: _sender(entry) for name, entry in state.received.items()}
        self._newly_held: int | None = None

    @property
    def held(self) -> int:
        """How many requests wait for one before them."""
        return sum(len(sender.buffered) for sender in self._senders.values())

    @property
    def held_until(self) -> datetime | None:
        """When the first request that this sorter began to hold is held no longer."""
        if self._newly_held is None:
            return None
        return from_ticks(min(self._newly_held + self._window, _LATEST))

    def into(self, state: SorterState) -> SorterState:
        """`state` with what this entity has received."""
        return replace(
            state,
            received={name: sender.entry() for name, sender in self._senders.items()},
            receive_horizon=from_ticks(self._horizon),
        )

    def receive(self, request: OperationRequest) -> list[OperationRequest]:
        """What may be let through now that `request` is here; the rest is held, or dropped."""
        label, parent = ticks_of(request.timestamp), request.parent
        # Clients have no labels; a lock request on its way from entity to entity has old ones.
        if parent is None or not self._window or not label or request.position:
            return [request]
        passed: list[OperationRequest] = []
        if self._horizon + self._window + _BETWEEN_COLLECTIONS < label:
            passed += self._advance(label - self._window)
        if label < self._horizon:
            return [*passed, request]
        newcomer = _Sender(execution_id=request.parent_execution)
        sender = self._senders.setdefault(parent, newcomer)
        return passed + list(self._sorted(sender, request, label))

    def has_passed(self, parent: str, what: Earlier) -> bool:
        """Whether `what` that `parent` sent was let through, or will never be waited for."""
        label = ticks_of(what.timestamp)
        if not self._window or label < self._horizon:
            return True
        sender = self._senders.get(parent)
        if sender is None:
            return False
        if what.execution_id == sender.execution_id:
            return sender.last >= label
        return sender.earlier.get(what.execution_id, 0) >= label

    def release_held(self, now: datetime) -> list[OperationRequest]:
        """What has been held for a whole window, and what follows it."""
        due = ticks_of(now) - self._window
        if all(label > due for sender in self._senders.values() for label in sender.buffered):
            return []
        return self._advance(max(self._horizon, due))

    def _advance(self, horizon: int) -> list[OperationRequest]:
        self._horizon = horizon
        passed: list[OperationRequest] = []
        for name, sender in list(self._senders.items()):
            sender.forget(horizon)
            passed += self._drained(sender)
            if not (sender.last or sender.buffered or sender.earlier):
                del self._senders[name]
        return passed

    def _sorted(
        self, sender: _Sender, request: OperationRequest, label: int
    ) -> Iterator[OperationRequest]:
        execution = request.parent_execution
        if execution is not None and execution in sender.earlier:
            yield from self._straggler(sender, execution, request, label)
            return
        if execution != sender.execution_id and not self._awaits(sender, request):
            yield from self._begin(sender, execution)
        if execution == sender.execution_id and label <= sender.last:
            return  # seen before
        if self._is_next(sender, request):
            yield request
            sender.let_through(label, self._horizon)
            yield from self._drained(sender)
        else:
            yield from self._hold(sender, request, label)

    def _is_next(self, sender: _Sender, request: OperationRequest) -> bool:
        """Whether nothing is missing before `request`, which is not of an earlier execution."""
        begins = request.parent_execution != sender.execution_id or not sender.last
        if begins and self._awaits(sender, request):
            return False
        before = ticks_of(request.predecessor)
        return before <= sender.last or before < self._horizon

    def _awaits(self, sender: _Sender, request: OperationRequest) -> bool:
        """Whether something is missing that an earlier execution sent."""
        after = request.after
        if after is None:
            return False
        label = ticks_of(after.timestamp)
        if label < self._horizon:
            return False
        if after.execution_id == sender.execution_id:
            return sender.last < label
        return sender.earlier.get(after.execution_id, 0) < label

    def _begin(self, sender: _Sender, execution: str | None) -> Iterator[OperationRequest]:
        """Go over to another execution: what the one before still waits for may never come."""
        old = sender.execution_id
        for label in list(sender.labels):
            request = sender.buffered[label]
            if request.parent_execution == old and not self._awaits(sender, request):
                yield sender.take(label)
        if old is not None and sender.last:
            sender.earlier[old] = sender.last
            if len(sender.earlier) > _MOST_EARLIER:
                del sender.earlier[next(iter(sender.earlier))]
        sender.execution_id, sender.last = execution, 0

    def _straggler(
        self, sender: _Sender, execution: str, request: OperationRequest, label: int
    ) -> Iterator[OperationRequest]:
        seen = sender.earlier[execution]
        if label <= seen:
            return
        yield request
        # Only in order: what it overtook must still be let through.
        if ticks_of(request.predecessor) <= seen:
            sender.earlier[execution] = label
        yield from self._drained(sender)

    def _hold(
        self, sender: _Sender, request: OperationRequest, label: int
    ) -> Iterator[OperationRequest]:
        known = sender.hold(request, label)
        if known.parent_execution != request.parent_execution:
            yield request  # two executions at one tick: the format has room for one of them
        elif self._newly_held is None or label < self._newly_held:
            self._newly_held = label

    def _drained(self, sender: _Sender) -> Iterator[OperationRequest]:
        """What is held no longer, the first of it again and again."""
        while (label := self._next_held(sender)) is not None:
            request = sender.take(label)
            if request.parent_execution != sender.execution_id:
                yield from self._begin(sender, request.parent_execution)
            yield request
            sender.let_through(label, self._horizon)

    def _next_held(self, sender: _Sender) -> int | None:
        for label in sender.labels:
            request = sender.buffered[label]
            if request.parent_execution == sender.execution_id:
                if self._is_next(sender, request):
                    return label
            elif not self._awaits(sender, request) and self._opens(request):
                return label
        return None

    def _opens(self, request: OperationRequest) -> bool:
        """Whether an execution can begin with `request`."""
        return ticks_of(request.predecessor) < max(self._horizon, 1)
