"""Every setting below ``extensions.durableTask`` of host.json: one table.

The configuration is read by it, docs/reference/settings.md is made from it, and a setting that is
made without having an effect here is named by it at start, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from durable.functions.setting import AppSetting, Kind, Setting
from durable.functions.settings_unused import UNUSED
from durable.functions.settings_worker import WORKER

ROOT = "extensions.durableTask"


def _number(
    path: str,
    default: int | None,
    low: int,
    high: int,
    does: str,
    *,
    unit: str = "",
    shown: str = "",
) -> Setting:
    return Setting(
        path=path,
        kind=Kind.INTEGER,
        default=default,
        low=low,
        high=high,
        does=does,
        unit=unit,
        shown=shown,
    )


def _text(path: str, default: str | None, does: str, *, shown: str = "") -> Setting:
    return Setting(path=path, kind=Kind.TEXT, default=default, does=does, shown=shown)


def _flag(path: str, default: bool, does: str) -> Setting:
    return Setting(path=path, kind=Kind.FLAG, default=default, does=does)


def _choice(path: str, default: str, choices: tuple[str, ...], does: str) -> Setting:
    return Setting(path=path, kind=Kind.CHOICE, default=default, choices=choices, does=does)


_HUB = (
    _text(
        "hubName",
        None,
        "The task hub: 3 to 45 ASCII letters and digits, the first a letter.",
        shown="the site's name cut to the rule, else `TestHubName`",
    ),
    _number(
        "maxConcurrentActivityFunctions",
        64,
        1,
        10_000,
        "Activities at once in a process.",
    ),
    _number(
        "maxConcurrentOrchestratorFunctions",
        64,
        1,
        10_000,
        "Turns at once in a process.",
    ),
    _number(
        "maxConcurrentEntityFunctions",
        64,
        1,
        10_000,
        "Entities that run operations at once in a process.",
    ),
    _number(
        "maxEntityOperationBatchSize",
        5000,
        1,
        2**31 - 1,
        "Operations that an entity runs in one turn.",
    ),
    _number(
        "entityMessageReorderWindowInMinutes",
        30,
        0,
        525_600,
        "For how long the order of one sender's requests to an entity is kept; 0: it is not. "
        "To be the same in all apps of a hub.",
        unit="minutes",
    ),
    _flag(
        "extendedSessionsEnabled",
        True,
        "Orchestrators stay in memory between turns; false: each turn reads and replays.",
    ),
    _number(
        "extendedSessionIdleTimeoutInSeconds",
        300,
        1,
        86_400,
        "How long an idle orchestrator stays in memory.",
        unit="seconds",
    ),
    _number(
        "ownLeaseSeconds",
        45,
        10,
        600,
        "A message lease of our own instead of the host's ten minutes, so that what a dead process "
        "had begun returns within the minute; two more requests a message. 0 turns it off. A "
        "worker, which takes its messages itself, puts those it hands over in memory with it "
        "(default: `controlQueueVisibilityTimeout`).",
        unit="seconds",
    ),
    _flag(
        "fastPath",
        True,
        "Activities run in the process that called for them while they are quick, messages to "
        "instances that live in this process are handed over in memory, and the Instances row "
        "follows when an orchestration rests. false: every step goes through its queue.",
    ),
    _number(
        "maxInPlaceActivities",
        10_000,
        1,
        1_000_000,
        "How many activities may run or wait in this process without a message of their own; more "
        "are put into the work-item queue, for any process.",
    ),
    _number(
        "maxOrchestrationActions",
        100_000,
        1,
        2**31 - 1,
        "What one execution of an orchestrator may ask for (activities, timers, children ...; each "
        "attempt of a retry counts). With one more it fails.",
    ),
    _number(
        "maxHistoryEvents",
        250_000,
        1,
        2**31 - 1,
        "Rows that one execution's history may have; with more the instance fails "
        "([overload](../howto/overload.md)).",
    ),
    _number(
        "maxHistoryBytes",
        268_435_456,
        1,
        2**63 - 1,
        "Their size together, about: their texts, and 500 bytes a row. The same.",
        unit="bytes",
    ),
    _number(
        "maxPayloadBytes",
        67_108_864,
        1024,
        2**31 - 1,
        "An input, a result, an event's data or an entity's state, as JSON; what is larger is "
        "refused.",
        unit="bytes",
    ),
    _number(
        "loopBlockedSeconds",
        1,
        1,
        3600,
        "With the event loop blocked so long, by an orchestrator that doesn't yield for example, "
        "the log says so, with the stack. 0 turns it off.",
        unit="seconds",
    ),
    _text(
        "defaultVersion",
        None,
        "The app's version: that of new instances and children whose start names none "
        "([versions](../howto/versions.md)).",
        shown="none",
    ),
    _choice(
        "versionMatchStrategy",
        "CurrentOrOlder",
        ("None", "Strict", "CurrentOrOlder"),
        "Which instances the app runs: of its `defaultVersion` and older ones; `Strict`: of "
        "exactly that one; `None`: all.",
    ),
    _choice(
        "versionFailureStrategy",
        "Reject",
        ("Reject", "Fail"),
        "What becomes of the others: they wait for an app that runs them; `Fail`: they fail.",
    ),
    _choice(
        "overridableExistingInstanceStates",
        "NonRunningStates",
        ("NonRunningStates", "AnyState"),
        "`AnyState`: a start may replace an instance that has not ended.",
    ),
    _text(
        "notificationUrl",
        None,
        "The address that links begin with.",
        shown="the request's own address",
    ),
)

_STORAGE = (
    _choice(
        "storageProvider.type", "AzureStorage", ("AzureStorage",), "Any other value is refused."
    ),
    _text(
        "storageProvider.connectionName",
        "AzureWebJobsStorage",
        "The app setting, or prefix of settings, of the storage account.",
    ),
    _text("storageProvider.connectionStringName", None, "The older name of `connectionName`."),
    _text("azureStorageConnectionStringName", None, "The oldest name of `connectionName`."),
    _number(
        "storageProvider.partitionCount",
        4,
        1,
        16,
        "Control queues; fixed for the life of a hub.",
    ),
    _number("partitionCount", None, 1, 16, "The old place of `storageProvider.partitionCount`."),
    _flag(
        "storageProvider.fetchLargeMessagesAutomatically",
        True,
        "False: the status shows the address of a large input or output in place of its value.",
    ),
    _text(
        "storageProvider.trackingStoreConnectionName",
        None,
        "The connection of an account of their own for the tables History and Instances.",
        shown="the hub's account",
    ),
    _text(
        "storageProvider.trackingStoreConnectionStringName",
        None,
        "The older name of `trackingStoreConnectionName`.",
    ),
    _text(
        "storageProvider.trackingStoreNamePrefix",
        "DurableTask",
        "The prefix of those tables' names in an account of their own.",
    ),
)

_HTTP = (
    _text(
        "httpSettings.route",
        "durabletask",
        "The management API's path, after the app's route prefix.",
    ),
    _flag(
        "httpSettings.useForwardedHost",
        False,
        "Links are built with `X-Forwarded-Host` and `X-Forwarded-Proto`.",
    ),
    _number(
        "httpSettings.defaultAsyncRequestSleepTimeMilliseconds",
        30_000,
        1,
        2**31 - 1,
        "How long `call_http` waits after a 202 that has no Retry-After.",
        unit="milliseconds",
    ),
)

#: In the order of the documentation.
SETTINGS: tuple[Setting, ...] = (*_HUB, *_STORAGE, *_HTTP, *WORKER, *UNUSED)
BY_PATH: Mapping[str, Setting] = MappingProxyType(
    {setting.path.lower(): setting for setting in SETTINGS}
)

APP_SETTINGS: tuple[AppSetting, ...] = (
    AppSetting(
        name="`AzureWebJobsStorage`, or the name in `connectionName`",
        default="must be set",
        does="The storage account: a connection string, `UseDevelopmentStorage=true`, or settings "
        "with that prefix for an identity (`__accountName`, `__queueServiceUri` ...).",
    ),
    AppSetting(
        name="`DURABLE_API_KEY`",
        default="made once, and kept in the blob `{lhub}-keys/management`",
        does="The management API's key.",
    ),
    AppSetting(
        name="`AZURE_FUNCTIONS_ENVIRONMENT`",
        default="set by the host",
        does="`Development`: the management API asks for no key, unless `DURABLE_API_KEY` is set.",
    ),
    AppSetting(
        name="`WEBSITE_SITE_NAME`, `WEBSITE_HOSTNAME`",
        default="set by Azure",
        does="The hub's name when none is set; the address of links that no request asks for.",
    ),
    AppSetting(
        name="`WEBSITE_SLOT_NAME`",
        default="set by Azure",
        does="In another slot than `Production` the hub's name must be set: slots would share one.",
    ),
    AppSetting(
        name="`AzureFunctionsJobHost__` and a path, such as "
        "`AzureFunctionsJobHost__extensions__durableTask__hubName`",
        default="-",
        does="Overrides that setting of host.json.",
    ),
    AppSetting(
        name="`PORT`", default="7071", does="Where it listens (`make start`).", local_host=True
    ),
    AppSetting(
        name="`DURABLE_AZURITE_PORT`",
        default="10000",
        does="The first of three ports for the Azurite it starts.",
        local_host=True,
    ),
    AppSetting(
        name="`DURABLE_HOST_LEASE_SECONDS`",
        default="600 seconds",
        does="The lease it takes messages with, as the real host; 2 to 604800.",
        local_host=True,
    ),
)
