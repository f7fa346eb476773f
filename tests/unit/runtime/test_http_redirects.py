"""What the tests on a real server can't reach: https."""

from __future__ import annotations

from durable.runtime.http_redirects import Hop, next_hop

HOP = Hop(method="GET", uri="https://host/x", headers={"Cookie": "c"}, content=None)


def test_from_https_nothing_goes_to_http() -> None:
    assert next_hop(HOP, 302, "http://host/y") is None


def test_from_http_to_https_is_another_origin() -> None:
    hop = Hop(method="GET", uri="http://host/x", headers={"Cookie": "c", "A": "1"}, content=None)
    following = next_hop(hop, 302, "https://host/y")
    assert following is not None
    assert (following.uri, following.headers) == ("https://host/y", {"A": "1"})


def test_another_name_of_the_own_origin() -> None:
    following = next_hop(HOP, 302, "https://HOST:443/y")
    assert following is not None
    assert following.headers == {"Cookie": "c"}
