"""A management API over a hub in memory; `ask` is its caller."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from durable.api.app import ManagementApi
from durable.api.http import Request, Response
from durable.api.links import ManagementAccess
from durable.client import Client
from durable.errors import BadConfig
from durable.hub.settings import HubSettings
from durable.hub.taskhub import TaskHub
from durable.model.status import InstanceRow, RuntimeStatus
from durable.storage.memory.account import MemoryAccount
from tests.api_contract import BASE as BASE, check_answer
from tests.manual_clock import ManualClock

KEY = "the-hub-key"


@dataclass
class Caller:
    """Asks the API, and writes instances as the commit would."""

    hub: TaskHub
    api: ManagementApi
    access: ManagementAccess

    async def ask(
        self,
        method: str,
        url: str,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """`url` below the base, or a link that was handed out; the answer is as documented."""
        parts = urlsplit(url.removeprefix(BASE))
        request = Request(
            method=method,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=headers or {},
            body=body.encode() if isinstance(body, str) else body,
            base_url=BASE,
        )
        answer = await self.api.handle(request)
        check_answer(request, answer)
        return answer

    async def insert(
        self, instance_id: str, status: RuntimeStatus | None, **columns: Any
    ) -> InstanceRow:
        await self.hub.ensure()
        now = self.hub.clock.now()
        row = InstanceRow(
            instance_id=instance_id,
            execution_id="e1",
            name="hello",
            created_time=now,
            last_updated_time=now,
            status=status,
        )
        return await self.hub.instances.insert(replace(row, **columns))


def make_caller(
    hub: TaskHub, *, require_key: bool = False, key: str | None = KEY, max_body: int = 1000
) -> Caller:
    access = ManagementAccess(configured_key=key, require_key=require_key)

    async def client_for(task_hub: str | None, connection: str | None) -> Client:
        if task_hub is not None and task_hub.lower() != hub.settings.name.lower():
            raise BadConfig(f"This app serves hub {hub.settings.name!r}, not {task_hub!r}.")
        if connection not in {None, "Storage"}:
            raise BadConfig(f"There is no app setting for the connection {connection!r}.")
        return Client(hub, links=access.links(hub))

    api = ManagementApi(client_for, access, max_body_bytes=max_body, max_wait_seconds=30)
    return Caller(hub, api, access)


def json_of(response: Response) -> Any:
    return json.loads(response.body)


@pytest.fixture
def hub(manual_clock: ManualClock) -> TaskHub:
    return TaskHub(MemoryAccount(manual_clock), HubSettings(name="Hub1"), manual_clock)


@pytest.fixture
def caller(hub: TaskHub) -> Caller:
    """In the Development environment: no key is asked for."""
    return make_caller(hub)


@pytest.fixture
def guarded(hub: TaskHub) -> Caller:
    """Elsewhere: a key is asked for."""
    return make_caller(hub, require_key=True)
