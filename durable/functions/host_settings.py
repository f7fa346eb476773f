"""host.json's ``extensions.durableTask`` read by the table, and what of it has no effect."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from durable.errors import BadConfig, EngineBug
from durable.functions.setting import Kind, Setting
from durable.functions.settings_table import BY_PATH, ROOT
from durable.hostjson import HostJson, parse_time_span


class HostSettings:
    """Typed values by their path below ``extensions.durableTask``.

    Every default, range and choice is the table's.
    """

    def __init__(self, host: HostJson) -> None:
        self._host = host

    def text(self, path: str, *, resolved: bool = True) -> str | None:
        """A text; None: it is not set and has no default."""
        setting = _row(path, Kind.TEXT)
        default = setting.default if isinstance(setting.default, str) else None
        return self._host.text(f"{ROOT}.{setting.path}", default, resolved=resolved)

    def flag(self, path: str) -> bool:
        """True or false."""
        setting = _row(path, Kind.FLAG)
        return self._host.flag(f"{ROOT}.{setting.path}", default=bool(setting.default))

    def integer(self, path: str) -> int | None:
        """A whole number; None: it is not set and has no default."""
        setting = _row(path, Kind.INTEGER)
        default = setting.default if isinstance(setting.default, int) else None
        if not self.is_set(path):
            return default
        where = f"{ROOT}.{setting.path}"
        return self._host.integer(where, setting.low, low=setting.low, high=setting.high)

    def seconds(self, path: str) -> float:
        """A span of time; its default and its range are seconds in the table's row."""
        setting = _row(path, Kind.SPAN)
        default = parse_time_span(str(setting.default)) or 0.0
        return self._host.seconds(
            f"{ROOT}.{setting.path}", default, low=setting.low, high=setting.high
        )

    def is_set(self, path: str) -> bool:
        """Whether somebody made the setting."""
        return self._host.value(f"{ROOT}.{BY_PATH[path.lower()].path}") is not None

    def choice(self, path: str) -> str:
        """One of the setting's choices, spelled as in the table."""
        setting = _row(path, Kind.CHOICE)
        return self._host.choice(f"{ROOT}.{setting.path}", str(setting.default), setting.choices)


def without_effect(host: HostJson, *, in_worker: bool = False) -> tuple[str, ...]:
    """One sentence for each setting that is made and does nothing here, with the reason.

    Raises:
        BadConfig: a group of settings is no object.
    """
    return tuple(_remarks(host, host.value(ROOT), (), in_worker=in_worker))


def _remarks(
    host: HostJson, found: object, path: tuple[str, ...], *, in_worker: bool
) -> Iterator[str]:
    dotted = ".".join(path)
    setting = BY_PATH.get(dotted)
    if found is None:
        return
    if setting is not None:
        is_read = setting.is_honoured or (in_worker and setting.worker_only)
        if not is_read and not _is_as_here(setting, found):
            yield f"{host.source}: {ROOT}.{setting.path} has no effect: {setting.because}."
    elif isinstance(found, dict):
        for name, below in found.items():
            yield from _remarks(host, below, (*path, name), in_worker=in_worker)
    elif not path or _group(dotted) is not None:
        where = ".".join((ROOT, *filter(None, [_group(dotted)])))
        raise BadConfig(f"{host.source}: {where} is {found!r}; it must be an object.")
    else:
        yield f"{host.source}: {ROOT}.{dotted} is unknown and has no effect{_near(dotted)}"


def _is_as_here(setting: Setting, found: object) -> bool:
    """Whether what is set is what happens anyway."""
    same = setting.acts_as is not None and str(found).lower() == str(setting.acts_as).lower()
    return same or found in ([], "")


def _group(dotted: str) -> str | None:
    """The group of settings at a path, as the table spells it."""
    found = (row.path for path, row in BY_PATH.items() if path.startswith(f"{dotted}."))
    return next((path[: len(dotted)] for path in found), None)


def _near(dotted: str) -> str:
    close = difflib.get_close_matches(dotted, BY_PATH, n=1)
    return f"; did you mean {BY_PATH[close[0]].path}?" if close else "."


def _row(path: str, kind: Kind) -> Setting:
    setting = BY_PATH[path.lower()]
    if setting.kind is not kind or setting.does is None:
        raise EngineBug(f"{path} is read as {kind}, which is not what the table says.")
    return setting
