"""Which proxy the environment means."""

from __future__ import annotations

import pytest

from durable.runtime.http_proxies import proxies_of

ENVIRON = {
    "HTTP_PROXY": "http://upper:1",
    "http_proxy": "lower:1",
    "HTTPS_PROXY": "http://secure:2",
    "No_Proxy": "own.example.com, .inside.example.com,*.starred.example.com",
    "PATH": "x",
}


@pytest.mark.parametrize(
    ("uri", "proxy"),
    [
        ("http://example.com/x", "http://lower:1"),
        ("https://example.com:8443/x", "http://secure:2"),
        ("http://own.example.com", None),
        ("http://not-own.example.com", "http://lower:1"),
        ("http://inside.example.com", None),
        ("http://a.inside.example.com", None),
        ("http://a.starred.example.com", None),
        ("http://127.0.0.1:8080/x", None),
        ("http://localhost", None),
    ],
)
def test_the_environments_proxies(uri: str, proxy: str | None) -> None:
    assert proxies_of(ENVIRON)(uri) == proxy


def test_one_for_all_none_for_all_and_none_at_all() -> None:
    assert proxies_of({"ALL_PROXY": "http://all:3"})("https://example.com") == "http://all:3"
    none = {"ALL_PROXY": "http://all:3", "no_proxy": "*"}
    assert proxies_of(none)("https://example.com") is None
    assert proxies_of({"HTTP_PROXY": " "})("http://example.com") is None
