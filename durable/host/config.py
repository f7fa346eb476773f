"""host.json, local.settings.json and the environment, as `func start` takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from durable.errors import BadConfig
from durable.hostjson import HostJson, parse_host_json, places_of_a_queue

_QUEUES = "extensions.queues"
_LEASE = "DURABLE_HOST_LEASE_SECONDS"
DEFAULT_PORT = 7071


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueSettings:
    """``extensions.queues`` of host.json, for every queue function of the app.

    Attributes:
        batch_size: messages fetched at once.
        new_batch_threshold: the next ones are fetched when no more than these are in flight.
        poll_min_seconds: the wait after work.
        poll_max_seconds: the longest wait between two looks at an empty queue.
        retry_seconds: how long a message is hidden after its function failed.
        max_deliveries: as many failures send it to the poison queue.
        lease_seconds: the invisibility a message is taken with. The real host's is fixed at 600.
        base64: message texts are base64.
    """

    batch_size: int = 16
    new_batch_threshold: int = 8
    poll_min_seconds: float = 0.1
    poll_max_seconds: float = 2.0
    retry_seconds: int = 0
    max_deliveries: int = 5
    lease_seconds: int = 600
    base64: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class HostConfig:
    """What the local host goes by.

    Attributes:
        root: the app's folder.
        route_prefix: put before every route, without slashes; may be empty.
        queues: for every queue function.
        function_timeout_seconds: the longest a function may run; None: no limit.
    """

    root: Path
    route_prefix: str
    queues: QueueSettings
    function_timeout_seconds: float | None


def read_host_config(root: Path, environ: Mapping[str, str]) -> HostConfig:
    """The settings of the app in `root`.

    Raises:
        BadConfig: there is no host.json, or a setting breaks a rule.
    """
    path = root / "host.json"
    if not path.is_file():
        raise BadConfig(
            f"There is no host.json in {root}: not the folder of a Functions app. Run from the "
            "app's folder, or name it with --script-root."
        )
    host = parse_host_json(path.read_text(encoding="utf-8-sig"), environ, source=str(path))
    return HostConfig(
        root=root,
        route_prefix=(host.text("extensions.http.routePrefix", "api", resolved=False) or "").strip(
            "/"
        ),
        queues=_queue_settings(host),
        function_timeout_seconds=_function_timeout(host),
    )


def _queue_settings(host: HostJson) -> QueueSettings:
    batch_size, new_batch_threshold = places_of_a_queue(host)
    return QueueSettings(
        batch_size=batch_size,
        new_batch_threshold=new_batch_threshold,
        # In Development, as here, the host's default is two seconds.
        poll_max_seconds=host.seconds(f"{_QUEUES}.maxPollingInterval", 2.0, low=0.1, high=86_400),
        retry_seconds=int(host.seconds(f"{_QUEUES}.visibilityTimeout", 0.0, low=0, high=604_800)),
        max_deliveries=host.integer(f"{_QUEUES}.maxDequeueCount", 5, low=1, high=1_000_000),
        lease_seconds=_lease_seconds(host.environ),
        base64=host.choice(f"{_QUEUES}.messageEncoding", "base64", ("none", "base64")) == "base64",
    )


def _lease_seconds(environ: Mapping[str, str]) -> int:
    text = environ.get(_LEASE, "600")
    if not text.isdecimal() or not 2 <= int(text) <= 604_800:  # noqa: PLR2004 - the port's limits
        raise BadConfig(f"{_LEASE} is {text!r}; it must be a whole number, 2 to 604800.")
    return int(text)


def _function_timeout(host: HostJson) -> float | None:
    if host.value("functionTimeout") in {-1, "-1"}:
        return None
    return host.seconds("functionTimeout", 1800.0, low=1, high=86_400 * 365)


def load_local_settings(root: Path, environ: MutableMapping[str, str]) -> None:
    """Put the Values of local.settings.json into `environ`; what is set there already wins.

    Raises:
        BadConfig: the file is encrypted or malformed.
    """
    for name, value in (local_settings(root) or {}).items():
        environ.setdefault(name, value)
    # As func does: the app knows it runs on a developer's machine.
    environ["AZURE_FUNCTIONS_ENVIRONMENT"] = "Development"
    environ["AzureWebJobsScriptRoot"] = str(root)
    environ.setdefault("FUNCTIONS_WORKER_RUNTIME", "python")
    if environ["FUNCTIONS_WORKER_RUNTIME"] != "python":
        raise BadConfig(
            f"FUNCTIONS_WORKER_RUNTIME is {environ['FUNCTIONS_WORKER_RUNTIME']!r}; this host runs "
            "'python' only."
        )


def local_settings(root: Path) -> dict[str, str] | None:
    """The Values of local.settings.json in `root`; None when there is no such file.

    Raises:
        BadConfig: the file is encrypted or malformed.
    """
    path = root / "local.settings.json"
    return _values(path) if path.is_file() else None


def _values(path: Path) -> dict[str, str]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise BadConfig(f"{path} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise BadConfig(f"{path} must hold a JSON object.")
    if document.get("IsEncrypted", True) is not False:
        # func takes a missing IsEncrypted for true, and so would fail on another machine.
        raise BadConfig(
            f'{path} must say "IsEncrypted": false: encrypted settings cannot be read here '
            "(run 'func settings decrypt' where they were encrypted)."
        )
    values = document.get("Values", {})
    if not isinstance(values, dict):
        raise BadConfig(f"{path}: Values must be an object of names and texts.")
    for name, value in values.items():
        if value is not None and not isinstance(value, str):
            # Not the value: it may be a key.
            kind = type(value).__name__
            raise BadConfig(f"{path}: Values.{name} must be a text in quotes, not of type {kind}.")
    return {name: value for name, value in values.items() if value is not None}
