"""Requests on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from durable.errors import BadConfig, HttpCallFailed
from durable.model.http import DurableHttpResponse, HttpRequest, ManagedIdentityTokenSource
from durable.runtime.http_client import MAX_REDIRECTS, HttpClient
from tests.unit.runtime.web import Handler, Web, serving


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[HttpClient]:
    made = HttpClient(**options)
    try:
        yield made
    finally:
        await made.close()


async def exchange(
    handler: Handler, *, path: str = "/x", method: str = "GET", **fields: Any
) -> tuple[DurableHttpResponse, Web]:
    async with serving(handler) as server, client() as http:
        request = HttpRequest(method=method, uri=server.base + path, **fields)
        return await http.send(request), server


async def ok(request: web.Request) -> web.Response:
    return web.Response(text="fine")


def redirect(status: int, location: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/x":
            return web.Response(status=status, headers={"Location": location})
        return web.Response(text=request.path)

    return handler


async def refused(http: HttpClient, uri: str, **fields: Any) -> str:
    with pytest.raises(HttpCallFailed) as caught:
        await http.send(HttpRequest(method="GET", uri=uri, **fields))
    error = caught.value  # another error's text may hold the whole address
    assert error.__context__ is None or error.__suppress_context__
    return str(caught.value)


# What is sent


async def test_a_request_holds_what_was_asked_for_and_no_more() -> None:
    _, server = await exchange(ok, headers={"X-A": "1", "X-B": ["2", "3"]})
    (asked,) = server.asked
    assert [each for each in asked.headers if each[0] != "Host"] == [
        ("X-A", "1"),
        ("X-B", "2"),
        ("X-B", "3"),
        ("User-Agent", "durable"),
    ]


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, "text/plain"),
        ({"content-type": "application/json"}, "application/json"),
        ({"Content-Type": ["a/b", "application/xml"]}, "application/xml"),
        (
            {"Content-Type": "application/x-www-form-urlencoded"},
            "application/x-www-form-urlencoded; charset=utf-8",
        ),
    ],
)
async def test_content_is_utf_8_text(headers: Any, kind: str) -> None:
    _, server = await exchange(ok, method="POST", headers=headers, content="é\ud800")
    (asked,) = server.asked
    assert asked.body == "é?".encode()
    assert asked.header("Content-Type") == kind
    assert asked.header("Content-Length") == "3"


async def test_without_content_there_is_no_type_of_it() -> None:
    _, server = await exchange(ok, headers={"Content-Type": "text/plain", "User-Agent": "me"})
    assert server.asked[0].header("Content-Type") is None
    assert server.asked[0].header("User-Agent") == "me"


async def test_content_of_megabytes() -> None:
    content = "x" * 3_000_000
    _, server = await exchange(ok, method="PUT", content=content)
    assert len(server.asked[0].body) == len(content)


async def test_multipart_of_another_sender_is_refused() -> None:
    with pytest.raises(ValueError, match="Multipart"):
        await exchange(ok, content="x", headers={"Content-Type": "multipart/mixed"})


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a%2Fb?sig=a%2Bb%3D", "/a%2Fb?sig=a%2Bb%3D"),
        ("/é x", "/%C3%A9%20x"),
        ("/a?x=1#part", "/a?x=1"),
    ],
)
async def test_an_address_is_sent_as_it_is(path: str, sent: str) -> None:
    _, server = await exchange(ok, path=path)
    assert server.asked[0].path == sent


async def test_a_users_name_in_an_address_is_not_sent() -> None:
    async with serving(ok) as server, client() as http:
        uri = server.base.replace("http://", "http://me:secret@")
        await http.send(HttpRequest(method="GET", uri=uri))
    assert server.asked[0].header("Authorization") is None


# What comes back


@pytest.mark.parametrize("status", [200, 204, 404, 500, 503])
async def test_every_status_is_an_answer(status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status)

    response, _ = await exchange(handler)
    assert (response.status_code, response.content) == (status, "")


async def test_headers_are_recorded_as_net_shows_them() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text="x", headers={"etag": "1", "x-own": "2", "server": "s"})
        response.headers.add("X-Many", "a")
        response.headers.add("x-many", "b")
        response.headers.add("X-Many", "c")
        response.headers["Last-Modified"] = "Mon, 01 Jan 2024 12:01:30 GMT"
        return response

    response, _ = await exchange(handler)
    headers = dict(response.headers)
    assert headers.pop("Date")
    assert headers == {"ETag": "1", "x-own": "2", "Server": "s", "X-Many": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("é".encode(), "text/plain", "é"),
        ("é".encode(), None, "é"),
        ("é".encode("latin-1"), "text/plain; charset=iso-8859-1", "é"),
        ("é".encode("utf-8-sig"), "text/plain; charset=iso-8859-1", "é"),
        ("é".encode(), "text/plain; charset=nonsense", "é"),
        ("é".encode(), "text/plain; charset=base64", "é"),
        (b"\xff", "application/octet-stream", "\ufffd"),
    ],
)
async def test_an_answer_is_text(body: bytes, kind: str | None, text: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": kind} if kind else {})

    response, _ = await exchange(handler)
    assert response.content == text


async def test_a_compressed_answer_is_unpacked() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text="x" * 1000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    response, _ = await exchange(handler, headers={"Accept-Encoding": "gzip"})
    assert response.content == "x" * 1000


async def test_an_answer_beyond_the_limit_is_a_failure() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x" * int(request.query["n"]))

    async with serving(handler) as server, client(max_content_bytes=1000) as http:
        await http.send(HttpRequest(method="GET", uri=f"{server.base}/x?n=1000"))
        text = await refused(http, f"{server.base}/x?n=1001")
    assert text == f"GET {server.base}/x was answered with more than 1000 bytes."


async def test_a_location_to_poll_is_absolute() -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/x":
            return web.Response(status=307, headers={"Location": "/deep/er"})
        return web.Response(status=202, headers={"Location": request.query_string or "status"})

    response, server = await exchange(handler)
    assert response.headers["Location"] == f"{server.base}/deep/status"
    response, _ = await exchange(handler, path="/y?ftp://host/z")
    assert response.headers["Location"] == "ftp://host/z"


# Redirects


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("GET", 301, "GET"),
        ("POST", 300, "GET"),
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("POST", 307, "POST"),
        ("DELETE", 308, "DELETE"),
    ],
)
async def test_redirects_are_followed_as_net_does(method: str, status: int, then: str) -> None:
    content = None if method in {"GET", "HEAD"} else "body"
    response, server = await exchange(redirect(status, "y"), method=method, content=content)
    assert response.status_code == 200
    asked = server.asked[1]
    assert (asked.method, asked.path) == (then, "/y")
    keeps = then == method and content is not None
    assert asked.body == (b"body" if keeps else b"")
    assert (asked.header("Content-Type") == "text/plain") is keeps


@pytest.mark.parametrize("location", ["ftp://x/y", "http://[::1/", ""])
async def test_a_redirect_that_leads_nowhere_is_the_answer(location: str) -> None:
    response, server = await exchange(redirect(302, location))
    assert (response.status_code, len(server.asked)) == (302, 1)


async def test_an_endless_redirect_ends() -> None:
    response, server = await exchange(redirect(302, "/x"))
    assert (response.status_code, len(server.asked)) == (302, MAX_REDIRECTS + 1)


async def test_secrets_go_to_no_other_origin() -> None:
    secrets = {"authorization": "secret", "x-functions-key": "secret", "Cookie": "secret"}
    async with (
        serving(ok) as other,
        serving(redirect(302, other.base + "/y")) as server,
        client() as http,
    ):
        headers = {**secrets, "X-Trace": "7"}
        await http.send(HttpRequest(method="GET", uri=f"{server.base}/x", headers=headers))
    assert server.asked[0].header("Authorization") == "secret"
    (asked,) = other.asked
    assert asked.header("X-Trace") == "7"
    assert "secret" not in str(asked.headers)


async def test_authorization_is_not_sent_on_at_all() -> None:
    headers = {"Authorization": "secret", "X-Api-Key": "key"}
    _, server = await exchange(redirect(302, "/y"), headers=headers)
    assert server.asked[1].header("Authorization") is None
    assert server.asked[1].header("X-Api-Key") == "key"


async def test_cookies_are_not_kept() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers={"Set-Cookie": "a=1"})

    async with serving(handler) as server, client() as http:
        for _ in range(2):
            await http.send(HttpRequest(method="GET", uri=server.base))
    assert server.asked[1].header("Cookie") is None


# Tokens


class OneToken:
    def __init__(self) -> None:
        self.is_closed = False

    async def token(self, source: ManagedIdentityTokenSource) -> str:
        return f"token for {source.resource}"

    async def close(self) -> None:
        self.is_closed = True


async def test_a_token_is_sent_in_place_of_the_callers_authorization() -> None:
    tokens = OneToken()
    source = ManagedIdentityTokenSource("r")
    async with serving(ok) as server, client(tokens=tokens) as http:
        await http.send(
            HttpRequest(
                method="GET",
                uri=server.base,
                headers={"authorization": "mine"},
                token_source=source,
            )
        )
    found = [v for n, v in server.asked[0].headers if n.lower() == "authorization"]
    assert found == ["Bearer token for r"]
    assert tokens.is_closed


async def test_without_tokens_a_token_source_is_refused() -> None:
    async with client() as http:
        request = HttpRequest(
            method="GET", uri="http://x", token_source=ManagedIdentityTokenSource("r")
        )
        with pytest.raises(BadConfig, match="token_source can't be used here"):
            await http.send(request)


# Failures


async def test_what_takes_too_long_is_a_timeout() -> None:
    never = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with serving(handler) as server, client() as http:
        request = HttpRequest(
            method="GET", uri=f"{server.base}/x?code=secret", timeout=timedelta(seconds=0.05)
        )
        with pytest.raises(TimeoutError) as caught:
            await http.send(request)
    assert str(caught.value) == (
        f"GET {server.base}/x was not answered in time. Reached user specified timeout: "
        "00:00:00.0500000."
    )
    assert caught.value.__suppress_context__


async def test_nobody_there() -> None:
    async with serving(ok) as server:
        pass
    async with client() as http:
        text = await refused(http, f"{server.base}/x?code=secret")
    assert text.startswith(f"GET {server.base}/x got no answer: the connection failed (")
    assert "secret" not in text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "the server closed the connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "it broke off"),
        (b"nonsense\r\n\r\n", "what came is not HTTP"),
    ],
)
async def test_an_answer_that_is_none(said: bytes, reason: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, client() as http:
        port = server.sockets[0].getsockname()[1]
        text = await refused(http, f"http://127.0.0.1:{port}/x")
    assert text == f"GET http://127.0.0.1:{port}/x got no answer: {reason}."


async def test_no_tls_there() -> None:
    async with serving(ok) as server, client() as http:
        text = await refused(http, server.base.replace("http:", "https:"))
    assert text.endswith("got no answer: no TLS connection could be made.")


async def test_an_address_that_is_none() -> None:
    async with client() as http:
        with pytest.raises(ValueError, match="it must begin with http"):
            await http.send(HttpRequest(method="GET", uri="file:///etc/passwd"))


# Proxies


async def test_a_proxy_is_asked_for_the_whole_address() -> None:
    async with serving(ok) as proxy, client(proxy_of=lambda uri: proxy.base) as http:
        response = await http.send(HttpRequest(method="GET", uri="http://host.invalid/x?y=1"))
    assert response.content == "fine"
    assert proxy.asked[0].header("Host") == "host.invalid"
