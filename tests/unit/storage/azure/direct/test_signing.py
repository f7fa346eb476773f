"""How a request is let in: signatures are compared with the SDK's own in test_same_requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from azure.core.credentials import AccessToken, AzureNamedKeyCredential, AzureSasCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.core.pipeline.transport import AsyncHttpResponse, AsyncHttpTransport

from durable.storage.azure.direct.door import Door
from durable.storage.azure.direct.signing import (
    Call,
    SdkCredential,
    Token,
    policies,
    queue_signer,
    table_signer,
    tenant_in,
)
from tests.manual_clock import ManualClock

# The emulator's published key.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
DATE = "Mon, 06 May 2024 07:08:09 GMT"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
CHALLENGE = (
    f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize "
    "resource_id=https://storage.azure.com"
)


class Answered(AsyncHttpResponse):
    def __init__(self, call: Call, status: int, headers: dict[str, str]) -> None:
        super().__init__(call, None)
        self.status_code = status
        self.headers = headers

    def body(self) -> bytes:
        return b""


class Wire(AsyncHttpTransport[Any, Any]):
    """Answers the statuses it is given, and keeps what was asked."""

    def __init__(self, clock: ManualClock, *statuses: int, challenge: str = CHALLENGE) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._clock = clock
        self._statuses = list(statuses)
        self._challenge = challenge

    async def send(self, request: Any, **_options: Any) -> Any:
        self.asked.append((request.url, dict(request.headers)))
        self._clock.advance(2)
        return Answered(request, self._statuses.pop(0), {"WWW-Authenticate": self._challenge})

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


class Credential(AsyncTokenCredential):
    def __init__(self) -> None:
        self.tenants: list[str | None] = []

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **kwargs: Any,
    ) -> AccessToken:
        assert scopes == ("https://storage.azure.com/.default",)
        self.tenants.append(tenant_id)
        return AccessToken(f"token for {tenant_id}", 2**40)

    async def close(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


async def asked(
    clock: ManualClock, credential: SdkCredential, wire: Wire, uri: str = "https://acme"
) -> Sequence[tuple[str, dict[str, str]]]:
    transport: Any = wire
    door = Door(uri, transport, AsyncRetryPolicy(), policies(credential, "queue", clock))
    await door.send("Get Messages", "GET", "/q/messages", {}, query=[("a", "b c")])
    return wire.asked


async def test_each_attempt_is_dated_and_signed_anew(manual_clock: ManualClock) -> None:
    found = await asked(
        manual_clock, AzureNamedKeyCredential("acme", KEY), Wire(manual_clock, 503, 503, 200)
    )
    assert len({headers["x-ms-date"] for _, headers in found}) == 3
    assert len({headers["Authorization"] for _, headers in found}) == 3
    assert all(url == "https://acme/q/messages?a=b%20c" for url, _ in found)


async def test_a_sas_is_said_once(manual_clock: ManualClock) -> None:
    found = await asked(manual_clock, AzureSasCredential("sig=1%3D"), Wire(manual_clock, 503, 200))
    assert [url for url, _ in found] == ["https://acme/q/messages?a=b%20c&sig=1%3D"] * 2
    assert all("Authorization" not in headers for _, headers in found)


async def test_a_token_is_kept_and_the_service_may_name_its_tenant(
    manual_clock: ManualClock,
) -> None:
    credential = Credential()
    wire = Wire(manual_clock, 401, 200)
    found = await asked(manual_clock, credential, wire)
    assert [headers["Authorization"] for _, headers in found] == [
        "Bearer token for None",
        f"Bearer token for {TENANT}",
    ]
    assert all("x-ms-date" in headers for _, headers in found)
    assert credential.tenants == [None, TENANT]


async def test_another_challenge_is_azure_cores_to_meet(manual_clock: ManualClock) -> None:
    credential = Credential()
    found = await asked(manual_clock, credential, Wire(manual_clock, 401, challenge="Basic"))
    assert len(found) == 1
    assert credential.tenants == [None]


def test_each_credential_has_its_policies(manual_clock: ManualClock) -> None:
    kinds = [type(policy) for policy in policies(Credential(), "table", manual_clock)]
    assert kinds[-1] is Token


def test_the_table_signature_leaves_parameters_out() -> None:
    def call(query: Sequence[tuple[str, str]]) -> Call:
        return Call("GET", "https://x", {"x-ms-version": "1"}, None, path="/a/T()", query=query)

    assert table_signer("a", KEY)(call([]), DATE) == table_signer("a", KEY)(
        call([("b", "c")]), DATE
    )
    assert queue_signer("a", KEY)(call([]), DATE) != queue_signer("a", KEY)(
        call([("b", "c")]), DATE
    )


@pytest.mark.parametrize(
    ("challenge", "tenant"),
    [
        (CHALLENGE, TENANT),
        (f'Bearer realm="x", authorization="https://login.windows.net/{TENANT}"', TENANT),
        ("Bearer authorization_uri=https://login.windows.net/", None),
        ("Bearer resource_id=x", None),
        ("Basic authorization_uri=https://login.windows.net/x", None),
        ("", None),
    ],
)
def test_the_tenant_of_a_challenge(challenge: str, tenant: str | None) -> None:
    assert tenant_in(challenge) == tenant
