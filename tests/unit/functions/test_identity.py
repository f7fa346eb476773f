"""Tokens from azure-identity."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import DefaultAzureCredential

from durable.errors import BadConfig, HttpCallFailed
from durable.functions.identity import IdentityTokens, default_credential
from durable.model.http import ManagedIdentityTokenSource


class Authority:
    """Entra ID, as far as a credential shows it."""

    def __init__(self, host: str | None) -> None:
        self.host = host
        self.asked: list[tuple[tuple[str, ...], str | None]] = []
        self.error: Exception | None = None
        self.is_closed = False

    async def get_token(
        self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, **_: Any
    ) -> AccessToken:
        self.asked.append((scopes, tenant_id))
        if self.error is not None:
            raise self.error
        return AccessToken("the token", 0)

    async def close(self) -> None:
        self.is_closed = True

    async def __aenter__(self) -> Authority:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Authorities:
    def __init__(self) -> None:
        self.opened: list[Authority] = []

    def open(self, host: str | None) -> Authority:
        self.opened.append(Authority(host))
        return self.opened[-1]


async def test_a_resource_becomes_a_scope_of_the_tenant() -> None:
    cloud = Authorities()
    tokens = IdentityTokens(cloud.open)
    for resource in ("https://a/.default", "https://a", "https://a/"):
        source = ManagedIdentityTokenSource(resource, tenant_id="t")
        assert await tokens.token(source) == "the token"
    (credential,) = cloud.opened
    assert credential.asked == [
        (("https://a/.default",), "t"),
        (("https://a/.default",), "t"),
        (("https://a//.default",), "t"),
    ]


async def test_each_authority_has_its_credential_and_all_are_closed() -> None:
    cloud = Authorities()
    tokens = IdentityTokens(cloud.open)
    await tokens.token(ManagedIdentityTokenSource("a"))
    await tokens.token(ManagedIdentityTokenSource("a", authority_host="https://login.other"))
    assert [each.host for each in cloud.opened] == [None, "https://login.other"]
    await tokens.close()
    assert all(each.is_closed for each in cloud.opened)


async def test_no_token_says_for_what_and_why() -> None:
    cloud = Authorities()
    tokens = IdentityTokens(cloud.open)
    source = ManagedIdentityTokenSource("https://a")
    await tokens.token(source)
    cloud.opened[0].error = ClientAuthenticationError("no credential found\nmore\nand more")
    with pytest.raises(HttpCallFailed) as caught:
        await tokens.token(source)
    assert str(caught.value) == "No token for 'https://a' could be had: no credential found"
    assert caught.value.__suppress_context__


async def test_the_environments_credential() -> None:
    for host in (None, "login.example.com"):
        credential = default_credential(host)
        assert isinstance(credential, DefaultAzureCredential)
        await credential.close()


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)
    with pytest.raises(BadConfig, match=r"install 'durable\[identity\]'"):
        default_credential(None)
