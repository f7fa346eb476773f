"""What host.json says about a worker."""

from __future__ import annotations

from durable.functions.host_settings import HostSettings
from durable.hostjson import HostJson
from durable.runtime.worker_settings import WorkerSettings

_STORAGE = "storageProvider"
#: The second wait of the back-off: a shorter one would only ask without a pause.
_SHORTEST_WAIT_SECONDS = 0.05


def worker_settings(host: HostJson) -> WorkerSettings:
    """The settings that ``python -m durable worker`` alone reads.

    Raises:
        BadConfig: a setting that cannot mean anything, with the rule.
    """
    settings = HostSettings(host)
    defaults = WorkerSettings()
    return WorkerSettings(
        control_batch=settings.integer(_place(settings, "controlQueueBatchSize"))
        or defaults.control_batch,
        control_limit=settings.integer(f"{_STORAGE}.controlQueueBufferThreshold")
        or defaults.control_limit,
        control_lease_seconds=int(
            settings.seconds(_place(settings, "controlQueueVisibilityTimeout"))
        ),
        work_item_lease_seconds=int(
            settings.seconds(_place(settings, "workItemQueueVisibilityTimeout"))
        ),
        longest_wait_seconds=max(
            settings.seconds(_place(settings, "maxQueuePollingInterval")), _SHORTEST_WAIT_SECONDS
        ),
    )


def _place(settings: HostSettings, name: str) -> str:
    """Where the setting is: its old place counts unless the new one is set."""
    newer = f"{_STORAGE}.{name}"
    return name if settings.is_set(name) and not settings.is_set(newer) else newer
