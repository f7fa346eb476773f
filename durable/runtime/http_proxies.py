"""The proxies that the environment names, for .NET's HttpClient honours them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

_SUFFIX = "_proxy"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def proxies_of(environ: Mapping[str, str]) -> Callable[[str], str | None]:
    """The proxy for an address, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."""
    # Lower case last, so that it wins.
    proxies = {
        name.lower().removesuffix(_SUFFIX): environ[name].strip()
        for name in sorted(environ)
        if name.lower().endswith(_SUFFIX) and environ[name].strip()
    }
    bypassed = [each.strip().lower() for each in proxies.pop("no", "").split(",") if each.strip()]

    def proxy_of(uri: str) -> str | None:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        if host in _LOOPBACK or any(_matches(host, each) for each in bypassed):
            return None
        proxy = proxies.get(parts.scheme) or proxies.get("all")
        return proxy if proxy is None or "://" in proxy else f"http://{proxy}"

    return proxy_of


def _matches(host: str, pattern: str) -> bool:
    """A host's name, or with a dot or star before it, that of all hosts of a domain."""
    if pattern in {"*", host}:
        return True
    domain = pattern.removeprefix("*")
    return domain.startswith(".") and (host.endswith(domain) or host == domain[1:])
