"""The durable client of azure-functions-durable 1.x, with its names and azure.functions values."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import azure.functions as func

from durable.authoring.registry import Registry
from durable.client import Client, DurableOrchestrationStatus, Links
from durable.client.asking import span
from durable.client.looking import status_of
from durable.client.starting import StartRules
from durable.client.status import OrchestrationRuntimeStatus
from durable.client.waiting import check_wait
from durable.hub.taskhub import TaskHub

_RETRY_AFTER = "10"
_JSON = {"Content-Type": "application/json"}


class DurableOrchestrationClient(Client):
    """What durable_client_input passes to a function.

    Args:
        hub: the task hub.
        base_url_of: the management API's address as the sender of a request sees it.
        registry: the app's functions.
        links: who makes management links.
        sibling: the client of another hub or connection.
        rules: what host.json says about starts.
        settle: finds out, before the first call, what a hub that others made is really like.
        entity_window: for how long entities remember senders.
    """

    def __init__(
        self,
        hub: TaskHub,
        *,
        base_url_of: Callable[[func.HttpRequest], str],
        registry: Registry | None = None,
        links: Links | None = None,
        sibling: Callable[[str | None, str | None], Awaitable[Client]] | None = None,
        rules: StartRules | None = None,
        settle: Callable[[TaskHub], Awaitable[TaskHub]] | None = None,
        entity_window: timedelta | None = None,
    ) -> None:
        super().__init__(
            hub,
            registry=registry,
            links=links,
            sibling=sibling,
            rules=rules,
            settle=settle,
            entity_window=entity_window,
        )
        self._base_url_of = base_url_of

    def get_client_response_links(
        self, request: func.HttpRequest | None, instance_id: str
    ) -> dict[str, str]:
        """The links that manage an instance, below the address `request` was sent to.

        Raises:
            UsageError: there is neither a request nor a known address.
        """
        base_url = None if request is None else self._base_url_of(request)
        return self.create_http_management_payload(instance_id, base_url)

    def create_check_status_response(
        self, request: func.HttpRequest | None, instance_id: str
    ) -> func.HttpResponse:
        """202: the links that manage an instance, where to look for its status, and when."""
        links = self.get_client_response_links(request, instance_id)
        headers = {"Location": links["statusQueryGetUri"], "Retry-After": _RETRY_AFTER}
        return _response(202, json.dumps(links), headers)

    async def wait_for_completion_or_create_check_status_response(
        self,
        request: func.HttpRequest | None,
        instance_id: str,
        timeout_in_milliseconds: int = 10_000,
        retry_interval_in_milliseconds: int = 1_000,
    ) -> func.HttpResponse:
        """The output, when the instance ends in time; else as `create_check_status_response`.

        Completed: 200 and the output (a string as it is). Failed: 500 and the status. Terminated
        or Canceled: 200 and the status.

        Raises:
            UsageError: the interval is longer than the timeout, or one is negative.
        """
        timeout = span(timeout_in_milliseconds, "timeout_in_milliseconds") / 1000
        interval = span(retry_interval_in_milliseconds, "retry_interval_in_milliseconds") / 1000
        check_wait(timeout, interval)
        row = await self.wait(instance_id, timeout=timeout, interval=interval)
        if row is None:
            return self.create_check_status_response(request, instance_id)
        return _ended(await status_of(self.hub, row))


def _ended(status: DurableOrchestrationStatus) -> func.HttpResponse:
    if status.runtime_status is OrchestrationRuntimeStatus.Completed:
        output = status.output
        return _response(200, output if isinstance(output, str) else json.dumps(output))
    failed = status.runtime_status is OrchestrationRuntimeStatus.Failed
    return _response(500 if failed else 200, json.dumps(status.to_json()))


def _response(status: int, body: str, headers: dict[str, str] | None = None) -> func.HttpResponse:
    return func.HttpResponse(
        body, status_code=status, mimetype="application/json", headers=_JSON | (headers or {})
    )
