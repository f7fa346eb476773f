"""What the host tells its user: plain lines with the time in front, as `func` prints them."""

from __future__ import annotations

import logging
import sys

from durable.host.index import IndexedFunction, methods_of

#: Loggers that tell of every request; only their warnings are of use here.
_CHATTY = ("azure", "aiohttp.access", "asyncio", "urllib3", "msal")


def set_up_logging(level: int, prefix: str = "") -> None:
    """Send the log to the console, `prefix` before each message."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(f"[%(asctime)s] {prefix}%(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def say(text: str) -> None:
    """Write `text` and a line end to the console."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write `text` to standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def function_list(
    urls: dict[str, str], functions: tuple[IndexedFunction, ...], unserved: dict[str, str]
) -> str:
    """The functions with their addresses, HTTP ones first.

    Args:
        urls: the address of each HTTP function.
        functions: all of them.
        unserved: why, for those this host cannot run.
    """
    lines = ["", "Functions:", ""]
    for function in sorted(functions, key=lambda f: (f.name not in urls, f.name)):
        if function.name in unserved:
            what = f"not served by this host: {unserved[function.name]}"
        elif function.name in urls:
            methods = ",".join(methods_of(function))
            what = f"[{methods}] {urls[function.name]}" if methods else urls[function.name]
        else:
            what = function.trigger_type
        lines.append(f"\t{function.name}: {what}")
    return "\n".join([*lines, ""])
