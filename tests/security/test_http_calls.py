"""Where call_http goes, and with what: secrets for their own origin only, and only over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aiohttp import web
from hypothesis import example, given, strategies as st

from durable.model.http import HttpRequest, ManagedIdentityTokenSource
from durable.model.http_polling import next_poll, origin, shown
from durable.runtime.http_client import HttpClient
from durable.runtime.http_redirects import Hop, next_hop
from tests.unit.runtime.web import serving

SECRETS = (
    "Authorization", "authorization", "Cookie", "X-Functions-Key", "x-api-key", "API-KEY",
    "Ocp-Apim-Subscription-Key", "Proxy-Authorization", "X-Auth-Token",
)  # fmt: skip
URIS = (
    "https://api.example/x",
    "http://api.example/x",
    "https://api.example:8443/x",
    "https://api.example.evil.example/",
    "https://api.example@evil.example/",
    "https://user:pw@api.example/",
    "https://API.EXAMPLE./x",
    "https://api.example\\@evil.example/",
    "https://evil.example\\.api.example/",
    "https://evil.example/?https://api.example",
    "https://evil.example#@api.example/",
    "//evil.example/x",
    "///evil.example/x",
    "\\\\evil.example\\x",
    "http:evil.example",
    "https:/evil.example",
    "\thttps://evil.example/",
    "ht\ntps://evil.example/",
    "file:///etc/passwd",
    "file://api.example/etc/passwd",
    "gopher://api.example/_x",
    "data:text/plain,x",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "ftp://api.example/x",
    "http://169.254.169.254/metadata/identity/oauth2/token",
    "http://[::ffff:169.254.169.254]/",
    "http://0x7f000001/",
    "http://[fe80::1%25eth0]/",
    "http://[",
    "https://",
    "?x=1",
    "/y",
    "",
)
locations = st.one_of(st.sampled_from(URIS), st.text(max_size=20))


def _name_or_none(uri: str) -> tuple[str, str, int] | None:
    try:
        return origin(uri)
    except ValueError:
        return None


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@given(location=locations)
def test_a_redirect_takes_no_secret_to_another_origin(status: int, location: str) -> None:
    for uri in ("https://api.example/x", "http://api.example/x"):
        headers = dict.fromkeys(SECRETS, "secret") | {"X-Trace": "7"}
        hop = Hop(method="POST", uri=uri, headers=dict(headers), content="x")
        following = next_hop(hop, status, location)
        if following is None:
            continue
        before, after = origin(uri), origin(following.uri)
        assert after[0] in {"http", "https"}
        assert (before[0], after[0]) != ("https", "http")
        assert not {name.lower() for name in following.headers} & {"authorization"}
        if before != after:
            assert not set(following.headers) & set(SECRETS)
        assert following.headers["X-Trace"] == "7"


@given(location=locations)
@example("https://api.example@evil.example/")
@example("//evil.example/x")
def test_a_poll_takes_no_secret_and_no_token_to_another_origin(location: str) -> None:
    request = HttpRequest(
        method="POST",
        uri="https://api.example/x",
        headers=dict.fromkeys(SECRETS, "secret"),
        content="x",
        token_source=ManagedIdentityTokenSource("https://management.core.windows.net"),
        timeout=timedelta(seconds=5),
    )
    try:
        polled = next_poll(request, location)
    except ValueError:
        return
    assert polled.content is None
    if origin(polled.uri) != origin(request.uri):
        assert not set(polled.headers) & set(SECRETS)
        assert polled.token_source is None


@pytest.mark.parametrize("uri", URIS)
def test_an_origin_is_what_is_connected_to(uri: str) -> None:
    """A name before an @, and whatever follows the host, doesn't count."""
    found = _name_or_none(uri)
    if found is None:
        return
    assert found[0] in {"http", "https"}
    if "evil" in uri.partition("?")[0]:
        assert found[1] != "api.example"
    assert "pw" not in shown(uri)


async def test_a_redirect_to_a_file_or_another_scheme_is_the_answer_itself() -> None:
    for location in ("file:///etc/passwd", "gopher://127.0.0.1/", "data:,x", "unix:///x"):

        async def answer(request: web.Request, location: str = location) -> web.Response:
            return web.Response(status=302, headers={"Location": location})

        client = HttpClient()
        async with serving(answer) as server:
            request = HttpRequest(method="GET", uri=f"{server.base}/x", headers={})
            response = await client.send(request)
            assert (response.status_code, len(server.asked)) == (302, 1)
        await client.close()


@pytest.mark.parametrize("uri", [each for each in URIS if _name_or_none(each) is None])
async def test_an_address_of_another_scheme_is_refused(uri: str) -> None:
    client = HttpClient()
    with pytest.raises(ValueError, match=r".+"):
        await client.send(HttpRequest(method="GET", uri=uri, headers={}))
    await client.close()
