"""The engine's own activity: it sends the requests of `call_http`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from durable.authoring.definitions import ActivityDefinition
from durable.errors import HttpCallFailed
from durable.model.http import DurableHttpResponse, HttpRequest
from durable.model.http_polling import shown
from durable.wire.http_json import HTTP_ACTIVITY, request_from


class HttpSender(Protocol):
    """Where requests go."""

    async def send(self, request: HttpRequest) -> DurableHttpResponse:
        """The answer, whatever its status.

        Raises:
            HttpCallFailed: there is none.
            TimeoutError: there was none in time.
            ValueError: it is no request that can be sent.
        """
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...


def built_in_activities(http: HttpSender) -> Mapping[str, ActivityDefinition]:
    """The engine's activities, by lower-case name."""

    async def send(request: object) -> DurableHttpResponse:
        asked = request_from(request)
        response = await http.send(asked)
        if asked.refuses(response.status_code):
            raise HttpCallFailed(
                f"{asked.method} {shown(asked.uri)} answered {response.status_code}."
            )
        return response

    definition = ActivityDefinition(name=HTTP_ACTIVITY, function=send, input_name="request")
    return {HTTP_ACTIVITY.lower(): definition}
