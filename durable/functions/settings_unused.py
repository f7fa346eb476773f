"""The settings of ``extensions.durableTask`` that have no effect here, each with the reason."""

from __future__ import annotations

from durable.functions.setting import Kind, Setting


def _unused(
    kind: Kind, because: str, /, acts_as: object = None, unit: str = "", **defaults: object
) -> tuple[Setting, ...]:
    """Settings of one kind that have no effect for one reason; `__` in a name is a dot."""
    return tuple(
        Setting(
            path=name.replace("__", "."),
            kind=kind,
            default=default,
            unit=unit,
            because=because,
            acts_as=acts_as,
        )
        for name, default in defaults.items()
    )


_HOST_SHARES = (
    "the Functions host shares the queues out among its instances; workers do it by the rows of "
    "the Partitions table"
)
_NO_LEASE = "every app on a hub serves it: commits are guarded by ETags, so no lease is taken"
_NO_RPC = "clients reach the hub's storage themselves: there is no RPC endpoint"
_NO_EVENT_GRID = "this version of durable publishes nothing to Event Grid"
_NO_TRACES = "this version of durable writes no distributed traces"
_NO_PAYLOADS_LOGGED = "inputs and outputs are never logged"
_NO_REPLAY_LOGGED = "the engine logs what happens once, never its replay"
_OLD_PLACE = "it is the place of version 1; make the setting below storageProvider"

#: In the order of the documentation.
UNUSED: tuple[Setting, ...] = (
    *_unused(
        Kind.FLAG,
        "inputs are always in history: what a turn sends is derived from it",
        acts_as=True,
        storeInputsInOrchestrationHistory=False,
    ),
    *_unused(
        Kind.FLAG,
        "whoever raises an event to a missing or finished instance is always told, as Python "
        "apps are by the original",
        acts_as=True,
        throwStatusExceptionsOnRaiseEvent=None,
    ),
    *_unused(
        Kind.FLAG,
        "an operation that fails leaves the entity as it was, and sends nothing",
        acts_as=True,
        rollbackEntityOperationsOnExceptions=True,
    ),
    *_unused(
        Kind.FLAG,
        "the Functions host ends its processes; the app setting "
        "FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING=true lets running work end first. A worker always "
        "finishes it",
        acts_as=False,
        useGracefulShutdown=False,
    ),
    *_unused(Kind.FLAG, _NO_LEASE, acts_as=False, useAppLease=True),
    *_unused(
        Kind.SPAN,
        _NO_LEASE,
        appLeaseOptions__renewInterval="00:00:25",
        appLeaseOptions__acquireInterval="00:05:00",
        appLeaseOptions__leaseInterval="00:01:00",
    ),
    *_unused(Kind.FLAG, _NO_RPC, acts_as=False, localRpcEndpointEnabled=None),
    *_unused(Kind.INTEGER, _NO_RPC, unit="bytes", maxGrpcMessageSizeInBytes=4_194_304),
    *_unused(Kind.SPAN, _NO_RPC, grpcHttpClientTimeout="00:01:40"),
    *_unused(
        Kind.TEXT,
        "messages are written as the Functions host reads them: see "
        "extensions.queues.messageEncoding of host.json",
        storageProvider__queueClientMessageEncoding="UTF8",
    ),
    *_unused(
        Kind.FLAG,
        _HOST_SHARES,
        storageProvider__useLegacyPartitionManagement=False,
        storageProvider__useTablePartitionManagement=True,
    ),
    *_unused(Kind.SPAN, _HOST_SHARES, storageProvider__partitionTableOperationTimeout="00:00:02"),
    *_unused(
        Kind.FLAG,
        "rows in Instances are always written under their ETag",
        acts_as=True,
        storageProvider__useInstanceTableEtag=False,
    ),
    *_unused(
        Kind.FLAG,
        "a finished instance is never replayed",
        acts_as=False,
        storageProvider__allowReplayingTerminalInstances=False,
    ),
    *_unused(
        Kind.TEXT,
        _OLD_PLACE,
        trackingStoreConnectionStringName=None,
        trackingStoreNamePrefix=None,
    ),
    *_unused(
        Kind.FLAG,
        _NO_PAYLOADS_LOGGED,
        acts_as=False,
        tracing__traceInputsAndOutputs=False,
        traceInputsAndOutputs=None,
    ),
    *_unused(
        Kind.FLAG,
        _NO_REPLAY_LOGGED,
        acts_as=False,
        tracing__traceReplayEvents=False,
        traceReplayEvents=None,
        logReplayEvents=None,
    ),
    *_unused(Kind.FLAG, _NO_TRACES, acts_as=False, tracing__distributedTracingEnabled=False),
    *_unused(
        Kind.TEXT,
        _NO_TRACES,
        tracing__distributedTracingProtocol="HttpCorrelationProtocol",
        tracing__version="V1",
    ),
    *_unused(
        Kind.FLAG,
        _NO_TRACES,
        acts_as=False,
        tracing__allowVerboseLinuxTelemetry=False,
        tracing__useHostTelemetryInitializers=False,
    ),
    *_unused(
        Kind.TEXT,
        _NO_EVENT_GRID,
        acts_as="",
        notifications__eventGrid__topicEndpoint=None,
        notifications__eventGrid__keySettingName=None,
        eventGridTopicEndpoint=None,
        eventGridKeySettingName=None,
    ),
    *_unused(
        Kind.INTEGER,
        _NO_EVENT_GRID,
        notifications__eventGrid__publishRetryCount=0,
        eventGridPublishRetryCount=None,
    ),
    *_unused(
        Kind.SPAN,
        _NO_EVENT_GRID,
        notifications__eventGrid__publishRetryInterval="00:05:00",
        eventGridPublishRetryInterval=None,
    ),
    *_unused(
        Kind.LIST,
        _NO_EVENT_GRID,
        notifications__eventGrid__publishRetryHttpStatus=None,
        notifications__eventGrid__publishEventTypes="all",
        eventGridPublishRetryHttpStatus=None,
        eventGridPublishEventTypes=None,
    ),
)
