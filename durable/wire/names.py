"""What a task hub's queues, tables, containers and blobs are called."""

from __future__ import annotations

from dataclasses import dataclass

from durable.wire.keys import partition_of

#: In the `keys` container: the hub key of the management API.
MANAGEMENT_KEY = "management"
#: There, too: a folder of marks, one for each activity under suspicion of killing its process.
SUSPECTS = "suspects"
#: In the `leases` container, beside .NET's blob partition managers only.
TASK_HUB_INFO = "taskhub.json"


@dataclass(frozen=True, slots=True)
class HubNames:
    """The names of one hub's resources.

    Attributes:
        hub: the hub's name as configured; tables keep its casing.
        partition_count: how many control queues it has.
        tracking_prefix: names History and Instances when they live in an account of their own.
    """

    hub: str
    partition_count: int
    tracking_prefix: str | None = None

    def _lower(self, suffix: str) -> str:
        return f"{self.hub.lower()}-{suffix}"

    def control_queue(self, index: int) -> str:
        """Control queue number `index`; also the partition's id."""
        return self._lower(f"control-{index:02}")

    def control_queue_of(self, instance_id: str) -> str:
        """The control queue that an instance's messages go to."""
        return self.control_queue(partition_of(instance_id, self.partition_count))

    @staticmethod
    def poison_queue(queue: str) -> str:
        """Where the Functions host puts what failed too often in `queue`."""
        return f"{queue}-poison"

    @property
    def control_queues(self) -> tuple[str, ...]:
        return tuple(self.control_queue(index) for index in range(self.partition_count))

    @property
    def work_items(self) -> str:
        return self._lower("workitems")

    @property
    def history_table(self) -> str:
        return f"{self.tracking_prefix or self.hub}History"

    @property
    def instances_table(self) -> str:
        return f"{self.tracking_prefix or self.hub}Instances"

    @property
    def partitions_table(self) -> str:
        return f"{self.hub}Partitions"

    @property
    def large_messages(self) -> str:
        return self._lower("largemessages")

    @property
    def leases(self) -> str:
        return self._lower("leases")

    @property
    def app_lease(self) -> str:
        return self._lower("applease")

    @property
    def app_lease_info(self) -> str:
        """A blob, in the container `app_lease`."""
        return self._lower("appleaseinfo")

    @property
    def quarantine(self) -> str:
        """*Ours*: the container of messages that were given up."""
        return self._lower("quarantine")

    @property
    def keys(self) -> str:
        """*Ours*: the container of the management API's keys."""
        return self._lower("keys")
