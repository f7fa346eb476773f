"""The commands and their options."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from durable.cli import worker
from durable.cli.processes import CANNOT_START, FAILED
from durable.cli.worker import WorkerOptions
from durable.errors import StorageError, UsageError
from durable.host.console import complain, set_up_logging

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    options = _parser().parse_args(sys.argv[1:] if arguments is None else arguments)
    prefix = f"[{options.child}] " if options.child else ""
    set_up_logging(logging.DEBUG if options.verbose else logging.INFO, prefix)
    try:
        return worker.run(
            WorkerOptions(
                target=options.app,
                root=Path(options.root).resolve(),
                processes=options.processes,
                drain_seconds=options.drain_seconds,
                child=options.child,
                verbose=options.verbose,
            )
        )
    except UsageError as error:
        complain(f"\nThe worker cannot start. {error}")
        return CANNOT_START
    except StorageError as error:
        complain(f"\nThe worker failed. {error}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="durable", description="Durable orchestrations.")
    commands = parser.add_subparsers(required=True, metavar="command")
    serving = commands.add_parser(
        "worker",
        help="run an app's orchestrations without a Functions host",
        description="Run an app's orchestrators, activities and entities without a Functions "
        "host. SIGTERM or Ctrl+C lets what is under way end first; a second one ends at once.",
    )
    serving.add_argument(
        "app",
        metavar="MODULE:APP",
        nargs="?",
        default="function_app:app",
        help="where the app is: a module and the name of its df.DFApp (default: %(default)s)",
    )
    serving.add_argument(
        "--processes",
        type=_count,
        default=1,
        metavar="N",
        help="as many processes, each restarted when it dies (default: %(default)s)",
    )
    serving.add_argument(
        "--root",
        default=".",
        metavar="DIR",
        help="the app's folder, with host.json and local.settings.json (default: this one)",
    )
    serving.add_argument(
        "--drain-seconds",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="what is under way at the end may take so long (default: %(default)g)",
    )
    serving.add_argument("--verbose", action="store_true", help="log everything")
    # Set by the parent of several processes for each of them.
    serving.add_argument("--child", type=_count, default=0, help=argparse.SUPPRESS)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of seconds")
    return float(text)
