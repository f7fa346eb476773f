"""Headers as .NET's HttpClient sends and shows them."""

from __future__ import annotations

from collections.abc import Iterable

from durable.model.http import HeaderValue, HttpRequest

USER_AGENT = "durable"

# HttpContentHeaders: .NET keeps them with the content, and the extension records the others only.
_OF_THE_CONTENT = frozenset(
    {
        "allow",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-location",
        "content-md5",
        "content-range",
        "content-type",
        "expires",
        "last-modified",
    }
)
# Names that .NET knows, and shows in this spelling however the server wrote them.
_SPELLED = {
    name.lower(): name
    for name in (
        "Accept-Ranges",
        "Age",
        "Alt-Svc",
        "Cache-Control",
        "Connection",
        "Date",
        "ETag",
        "Keep-Alive",
        "Link",
        "Location",
        "Pragma",
        "Proxy-Authenticate",
        "Retry-After",
        "Server",
        "Set-Cookie",
        "Strict-Transport-Security",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Vary",
        "Via",
        "WWW-Authenticate",
        "Warning",
    )
}
_FORM = "application/x-www-form-urlencoded"


def request_headers(request: HttpRequest) -> dict[str, HeaderValue]:
    """What is sent: the request's own, and the type of its content.

    Raises:
        ValueError: the content is said to be multipart, which a text is not.
    """
    headers = dict(request.headers)
    name = next((each for each in headers if each.lower() == "content-type"), "Content-Type")
    given = headers.pop(name, None)
    if request.content is not None:
        headers[name] = _content_type(given)
    if not any(each.lower() == "user-agent" for each in headers):
        headers["User-Agent"] = USER_AGENT
    return headers


def _content_type(given: HeaderValue | None) -> str:
    kind = (given if isinstance(given, str) else given[-1] if given else "") or "text/plain"
    if "multipart" in kind.lower():
        raise ValueError("Multipart content is not supported by call_http.")
    return f"{_FORM}; charset=utf-8" if kind.lower() == _FORM else kind


def response_headers(given: Iterable[tuple[str, str]]) -> dict[str, HeaderValue]:
    """What is recorded: without those about the content; several of one name as a list."""
    found: dict[str, HeaderValue] = {}
    names: dict[str, str] = {}
    for sent, value in given:
        key = sent.lower()
        if key in _OF_THE_CONTENT:
            continue
        name = names.setdefault(key, _SPELLED.get(key, sent))
        before = found.get(name)
        if before is None:
            found[name] = value
        else:
            found[name] = [*([before] if isinstance(before, str) else before), value]
    return found
