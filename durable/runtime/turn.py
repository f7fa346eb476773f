"""What one call of the orchestration processor keeps between its attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from durable.engine.judgement import Verdict
from durable.errors import UnknownFunction
from durable.hub.commit import InstanceState
from durable.runtime.chains import Chain
from durable.runtime.delivery import Delivery, Done
from durable.runtime.mailboxes import Inbox


@dataclass(kw_only=True, slots=True)
class Turn:
    """The messages of one instance that are being dealt with, and how far that is.

    Attributes:
        instance_id: whose they are.
        inbox: where more of them come from.
        batch: those without an outcome.
        waiting: those of them that no checkpoint has recorded.
        verdicts: what becomes of each, by key; void after a lost race, but for `consumed`.
        consumed: the keys of those that checkpoints have recorded.
        known: what a lost race left behind of the instance.
        unknown_entity: why its operations fail, where nobody has the code.
        tries: attempts that came to nothing.
        chain: the chain under way.
        since: when the first checkpoint was written, in our monotonic seconds.
        is_due: the chain must be flushed.
        had_session: its instance had a live session before.
    """

    instance_id: str
    inbox: Inbox
    batch: list[Delivery]
    waiting: list[Delivery] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    consumed: set[str] = field(default_factory=set)
    known: InstanceState | None = None
    unknown_entity: UnknownFunction | None = None
    tries: int = 0
    chain: Chain | None = None
    since: float | None = None
    is_due: bool = False
    had_session: bool = False

    def __post_init__(self) -> None:
        self.waiting = list(self.batch)

    @property
    def is_judged(self) -> bool:
        """Whether every message has its verdict."""
        return all(delivery.key in self.verdicts for delivery in self.waiting)

    def take(self) -> list[Delivery]:
        """Take in what has arrived; gives it."""
        found = self.inbox.take()
        self.batch += found
        self.waiting += found
        return found

    def keep_only(self, kept: list[Delivery]) -> None:
        """Go on with `kept`; the others have their outcome."""
        self.batch = kept
        self.waiting = [delivery for delivery in kept if delivery.key not in self.consumed]

    def note_consumed(self, verdicts: Mapping[str, Verdict]) -> None:
        """A checkpoint recorded what `verdicts` says to apply.

        A result that is in memory only is done with: there is no message to keep until it shows.
        """
        applied = {key for key, verdict in verdicts.items() if verdict is Verdict.APPLY}
        self.consumed |= applied
        left: list[Delivery] = []
        for delivery in self.waiting:
            if delivery.key not in applied:
                left.append(delivery)
            elif not delivery.holds:
                delivery.outcome = Done()
                self.inbox.let_go(delivery)
        self.waiting = left
        if any(delivery.outcome is not None for delivery in self.batch):
            self.batch = [delivery for delivery in self.batch if delivery.outcome is None]
