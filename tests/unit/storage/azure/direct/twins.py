"""One call through both adapters, to see that they ask the same and understand the same."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.transport import AioHttpTransport, HttpRequest
from azure.data.tables._authentication import SharedKeyCredentialPolicy as TableKeyPolicy
from azure.storage.queue._shared.authentication import SharedKeyCredentialPolicy as QueueKeyPolicy

from durable.errors import StorageError
from durable.storage.azure.account import AccountConfig, Adapter, open_account
from durable.storage.ports import Account
from tests.unit.storage.azure.fake_service import FakeService, NoWait, Request

Call = Callable[[Account], Awaitable[object]]
AnswerMaker = Callable[[], web.Response]

# What the services look at. Not: dates, the version, ids for the logs, the user agent.
_LOOKED_AT = {
    "accept",
    "content-length",
    "content-type",
    "dataserviceversion",
    "if-match",
    "if-none-match",
    "maxdataserviceversion",
    "prefer",
    "x-http-method",
}


@dataclass(frozen=True)
class Failure:
    """How a call failed."""

    kind: type[StorageError]
    operation: str | None
    resource: str | None
    status: int | None
    said: str


class Twins:
    """Both adapters on one service that answers what the test says."""

    def __init__(self, service: FakeService, config: AccountConfig) -> None:
        self._service = service
        self._accounts = {
            adapter: open_account(config, clock=NoWait(), adapter=adapter) for adapter in Adapter
        }

    async def close(self) -> None:
        for account in self._accounts.values():
            await account.close()

    async def direct(self, call: Call, *answers: AnswerMaker) -> object:
        """The outcome through the direct adapter alone."""
        return await self._alone(Adapter.DIRECT, call, answers)

    async def sdk(self, call: Call, *answers: AnswerMaker) -> object:
        """The outcome through the SDK's clients alone."""
        return await self._alone(Adapter.SDK, call, answers)

    async def same(self, call: Call, *answers: AnswerMaker) -> object:
        """Make the call through both; the outcome, when requests and outcomes are the same."""
        asked: dict[Adapter, list[object]] = {}
        outcomes: dict[Adapter, object] = {}
        for adapter, account in self._accounts.items():
            self._service.requests.clear()
            self._service.will_answer(*(answer() for answer in answers))
            outcomes[adapter] = await outcome(call, account)
            requests = self._service.requests
            assert not self._service.answers, "fewer requests than answers"
            if adapter is Adapter.DIRECT:
                for request in requests:
                    assert request.headers["authorization"] == sdk_signature(request)
            asked[adapter] = [wire(request) for request in requests]
        _compare(asked)
        _compare(outcomes)
        return outcomes[Adapter.DIRECT]

    async def _alone(self, adapter: Adapter, call: Call, answers: Sequence[AnswerMaker]) -> object:
        self._service.will_answer(*(answer() for answer in answers))
        return await outcome(call, self._accounts[adapter])


def _compare(found: Mapping[Adapter, object]) -> None:
    direct, sdk = found[Adapter.DIRECT], found[Adapter.SDK]
    assert direct == sdk, f"direct:\n{direct!r}\nSDK:\n{sdk!r}"


async def outcome(call: Call, account: Account) -> object:
    """What it gives, or how it fails."""
    try:
        return await call(account)
    except StorageError as error:
        return Failure(type(error), error.operation, error.resource, error.status, str(error))


def wire(request: Request) -> object:
    """What of a request must be the same."""
    kind = request.headers.get("content-type", "")
    headers = {name: value for name, value in request.headers.items() if name in _LOOKED_AT}
    # The direct adapter's inserts ask for no row back; the SDK's bring a whole one for its ETag.
    headers.pop("prefer", None)
    body: object = request.body
    if kind.startswith("application/json"):
        body = row(request.body)
        del headers["content-length"]
        # The SDK's inserts say of their body that it has no metadata, when it has.
        headers["content-type"] = kind.partition(";")[0]
    elif kind.startswith("multipart/mixed"):
        body = parts(kind, request.body)
        del headers["content-length"], headers["content-type"]
    return request.method, request.path, request.query, headers, body


def row(body: bytes) -> Mapping[str, object]:
    """A row's JSON as it is understood.

    Left out, because only noise: the SDK says of each string that it is one, which the service
    assumes, and puts blanks between the tokens.
    """
    found = json.loads(body)
    return {
        name: value
        for name, value in found.items()
        if not (name.endswith("@odata.type") and value == "Edm.String")
    }


def parts(kind: str, body: bytes) -> list[object]:
    """A batch as the service takes it apart.

    Left out: the boundaries (the SDK makes two GUIDs), and each part's own date and version, which
    the batch has said; and that inserts ask for no row back, as in `wire`.
    """
    batch = _boundary(kind)
    assert body.startswith(f"--{batch}\r\nContent-Type: multipart/mixed".encode())
    assert body.rstrip().endswith(f"--{batch}--".encode())
    changes = _boundary(body.split(b"\r\n")[1].decode())
    _, *found, end = body.split(f"--{changes}".encode())
    assert end.startswith(b"--\r\n")
    return [_part(each) for each in found]


def _boundary(kind: str) -> str:
    found = re.search(r"boundary=(\S+)", kind)
    assert found is not None
    return found[1]


def _part(text: bytes) -> object:
    outer, inner, body = text.removeprefix(b"\r\n").removesuffix(b"\r\n").split(b"\r\n\r\n", 2)
    request, *lines = inner.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if (size := headers.get("content-length")) is not None:
        assert int(size) == len(body)
    looked_at = {name: headers[name] for name in sorted(_LOOKED_AT & headers.keys())}
    for noise in ("content-length", "prefer"):
        looked_at.pop(noise, None)
    return outer, request, looked_at, row(body) if body.strip() else None


def sdk_signature(request: Request) -> str:
    """How the SDK would sign the request as it came over the wire."""
    question = f"?{request.raw_query}" if request.raw_query else ""
    # Quoted, as the SDK hands it to its policies: they would take what follows for parameters.
    path = request.path.replace(";", "%3B")
    url = f"http://{request.headers['host']}{path}{question}"
    headers = {k: v for k, v in request.headers.items() if k not in {"authorization", "accept"}}
    again = HttpRequest(request.method, url, headers)
    passing: Any = PipelineRequest(again, PipelineContext(AioHttpTransport()))
    policy: Any
    if "/messages" in request.path:
        policy = QueueKeyPolicy("acme", "a2V5")  # type: ignore[no-untyped-call]
    else:
        credential = AzureNamedKeyCredential("acme", "a2V5")
        policy = TableKeyPolicy(credential)  # type: ignore[no-untyped-call]
    policy.on_request(passing)
    return str(again.headers["Authorization"])
