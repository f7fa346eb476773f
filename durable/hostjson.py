"""host.json as the Functions host reads it: any case, app settings on top, values typed.

Text in, values out: who calls it reads the file and passes the environment. The host's rules
kept here: keys compare without case; an app setting
``AzureFunctionsJobHost__extensions__durableTask__hubName`` (or with ``:``) overrides the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from durable.errors import BadConfig

_OVERRIDE = "azurefunctionsjobhost"
_REFERENCE = re.compile(r"%([^%\s]+)%")
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d{1,7})?))?")

#: Names are lower-case.
Tree = dict[str, "Tree | object"]


def parse_time_span(text: str) -> float | None:
    """Seconds of a .NET time span (``[d.]hh:mm[:ss[.fff]]``), or None when it is none."""
    found = _TIME_SPAN.fullmatch(text.strip())
    if found is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    if hours >= 24 or minutes >= 60 or seconds >= 60:  # noqa: PLR2004 - a clock's own limits
        return None
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def resolve(text: str, environ: Mapping[str, str], where: str) -> str:
    """`text` with every ``%SETTING%`` replaced by that app setting.

    Raises:
        BadConfig: a setting it names does not exist.
    """

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in environ:
            raise BadConfig(
                f"{where} is {text!r}, but there is no app setting {name!r}. Set it "
                "(local.settings.json, Values; in Azure: the app's environment variables)."
            )
        return environ[name]

    return _REFERENCE.sub(value, text)


@dataclass(frozen=True, kw_only=True, slots=True)
class HostJson:
    """The settings of one host.json. Paths are dotted: ``extensions.http.routePrefix``."""

    tree: Tree
    environ: Mapping[str, str]
    source: str = "host.json"

    def value(self, path: str) -> object | None:
        """What stands at `path`, or None."""
        found: object = self.tree
        for name in path.lower().split("."):
            if not isinstance(found, dict):
                return None
            found = found.get(name)
        return found

    def text(self, path: str, default: str | None = None, *, resolved: bool = True) -> str | None:
        """A string, its ``%SETTING%`` references replaced."""
        found = self.value(path)
        if found is None:
            return default
        if isinstance(found, (dict, list, bool)):
            raise self._bad(path, found, "it must be a string")
        text = str(found)
        return resolve(text, self.environ, f"{self.source}: {path}") if resolved else text

    def integer(self, path: str, default: int, *, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        found = self._resolved(path)
        if found is None:
            return default
        rule = f"it must be a whole number, {low} to {high}"
        if isinstance(found, bool) or not isinstance(found, (int, str)):
            raise self._bad(path, found, rule)
        try:
            number = int(found)
        except ValueError:
            raise self._bad(path, found, rule) from None
        if not low <= number <= high:
            raise self._bad(path, found, rule)
        return number

    def seconds(self, path: str, default: float, *, low: float, high: float) -> float:
        """A time span ``hh:mm:ss``, as seconds from `low` to `high`."""
        found = self._resolved(path)
        if found is None:
            return default
        span = parse_time_span(found) if isinstance(found, str) else None
        if span is None or not low <= span <= high:
            raise self._bad(
                path, found, f'it must be a time span "hh:mm:ss", {low:g} to {high:g} seconds'
            )
        return span

    def flag(self, path: str, *, default: bool) -> bool:
        """A boolean; "true" and "false" in any case count, for app settings are texts."""
        found = self._resolved(path)
        if found is None:
            return default
        if isinstance(found, bool):
            return found
        if isinstance(found, str) and found.lower() in {"true", "false"}:
            return found.lower() == "true"
        raise self._bad(path, found, "it must be true or false")

    def choice(self, path: str, default: str, choices: tuple[str, ...]) -> str:
        """One of `choices`, whatever its case."""
        found = self.text(path, default)
        for one in choices:
            if found is not None and found.lower() == one.lower():
                return one
        raise self._bad(path, found, f"it must be one of {', '.join(choices)}")

    def _resolved(self, path: str) -> object | None:
        found = self.value(path)
        if isinstance(found, str):
            return resolve(found, self.environ, f"{self.source}: {path}")
        return found

    def _bad(self, path: str, found: object, rule: str) -> BadConfig:
        return BadConfig(f"{self.source}: {path} is {found!r}; {rule}.")


def parse_host_json(
    text: str, environ: Mapping[str, str], *, source: str = "host.json"
) -> HostJson:
    """The settings in `text`, app settings of `environ` on top.

    Raises:
        BadConfig: `text` is not a JSON object.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BadConfig(f"{source} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise BadConfig(f"{source} must hold a JSON object.")
    tree = _lowered(document)
    for name in sorted(environ):
        path = name.lower().replace(":", "__").split("__")
        if path[0] == _OVERRIDE and len(path) > 1 and all(path):
            _put(tree, path[1:], environ[name])
    return HostJson(tree=tree, environ=environ, source=source)


def places_of_a_queue(host: HostJson) -> tuple[int, int]:
    """Messages that the host fetches at once for a queue's function, and the most in flight then.

    So as many as both together may be in flight; with more than the second, none are fetched.
    """
    batch = host.integer("extensions.queues.batchSize", 16, low=1, high=32)
    threshold = host.integer(
        "extensions.queues.newBatchThreshold", max(1, batch // 2), low=0, high=1000
    )
    return batch, threshold


def _lowered(document: Mapping[str, object]) -> Tree:
    return {
        name.lower(): _lowered(value) if isinstance(value, dict) else value
        for name, value in document.items()
    }


def _put(tree: Tree, path: list[str], value: str) -> None:
    for name in path[:-1]:
        below = tree.get(name)
        if not isinstance(below, dict):
            below = tree[name] = {}
        tree = below
    tree[path[-1]] = value
