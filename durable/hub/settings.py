"""What can be set about one task hub: frozen, units in the names, every default once."""

from __future__ import annotations

from dataclasses import dataclass

from durable.engine.limits import DEFAULT_MAX_PAYLOAD
from durable.model.ids import check_hub_name, check_partition_count
from durable.wire.envelopes import QueueEncoding
from durable.wire.names import HubNames


@dataclass(frozen=True, kw_only=True, slots=True)
class HubSettings:
    """One hub, the same in every process that serves it.

    Attributes:
        name: the hub's name, as configured; case is kept in table names.
        partition_count: control queues, 1 to 16; fixed for the life of a hub.
        queue_encoding: how messages are written; both ways are always read.
        lease_seconds: the longest invisibility any process gives a message it received; what a
            crash can hold up. The Functions host's is 600.
        grace_seconds: how long a checkpoint's own process is given to send its messages (R11).
        grace_per_message_seconds: added for each message owed.
        remembered_deliveries: how many failed deliveries an identity outlives (R7): it is
            remembered for that many leases and a grace.
        payload_limit_bytes: an input, a result or a state with a longer JSON text is refused.
        max_payload_bytes: a blob over it is not read into memory, and not written. It holds a
            payload as it stands in a message: quoted once more, which doubles it at worst.
        tracking_prefix: names History and Instances, when they live in an account of their own;
            None: the hub's name does.
        shows_large_payloads: who looks at an instance sees large inputs and outputs; else their
            addresses.

    Raises:
        BadConfig: `name` or `partition_count` breaks a rule.
    """

    name: str
    partition_count: int = 4
    queue_encoding: QueueEncoding = QueueEncoding.UTF8
    lease_seconds: float = 600.0
    grace_seconds: float = 20.0
    grace_per_message_seconds: float = 0.02
    remembered_deliveries: int = 5
    payload_limit_bytes: int = DEFAULT_MAX_PAYLOAD
    max_payload_bytes: int = 4 * DEFAULT_MAX_PAYLOAD
    tracking_prefix: str | None = None
    shows_large_payloads: bool = True

    def __post_init__(self) -> None:
        check_hub_name(self.name)
        check_partition_count(self.partition_count)

    @property
    def names(self) -> HubNames:
        """Every queue, table and container of this hub."""
        return HubNames(self.name, self.partition_count, self.tracking_prefix)

    @property
    def identity_seconds(self) -> float:
        """How long consumed identities are remembered across continue-as-new (R7)."""
        return self.remembered_deliveries * self.lease_seconds + self.grace_seconds

    def grace_for(self, owed_messages: int) -> float:
        """Seconds after which somebody else may send `owed_messages` for their process (R11)."""
        return self.grace_seconds + self.grace_per_message_seconds * owed_messages
