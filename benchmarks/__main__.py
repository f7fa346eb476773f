"""Measures everything, and writes docs/performance.md with its tables and plots.

    .venv/bin/python -m benchmarks                      # all of it: some twelve minutes
    .venv/bin/python -m benchmarks --only hello cpu     # these, the others' figures are kept
    .venv/bin/python -m benchmarks --page               # the page and plots from kept figures
    .venv/bin/python -m benchmarks --list               # their names

The plots need the dependency group `bench`: .venv/bin/python -m pip install --group bench
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure.catalog import MEASUREMENTS
from benchmarks.measure.figures import FILE, FOLDER, keep, kept
from benchmarks.measure.page import page

_ROOT = Path(__file__).parents[1]
_PATIENCE = 3
_STOP_SECONDS = 60


class MeasurementError(Exception):
    """A measurement ended without figures."""


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _on_term)  # what was started is stopped, as after Ctrl+C
    if options.list:
        for name, each in MEASUREMENTS.items():
            asked = "; only when asked for" if each.asked_only else ""
            print(f"{name:<20} {each.title} (some {each.seconds} s{asked})")
        return 0
    if options.page:
        write_page(options.folder)
        return 0
    usual = [name for name, each in MEASUREMENTS.items() if not each.asked_only]
    return _measure_all(options.only or usual, options.folder, quick=options.quick)


def write_page(folder: Path) -> None:
    """The plots beside the figures, and the page above them."""
    try:
        from benchmarks.measure.plots import draw
    except ImportError as error:
        raise SystemExit(
            f"The plots need matplotlib ({error}): .venv/bin/python -m pip install --group bench"
        ) from error
    figures = kept(folder / FILE.name)
    drawn = draw(figures, folder)
    target = folder.parent / "performance.md"
    target.write_text(page(figures), encoding="utf-8")
    print(f"Written: {target}, and {len(drawn)} plots in {folder}")


def _measure_all(names: Sequence[str], folder: Path, *, quick: bool) -> int:
    failed = []
    for name in names:
        print(f"{name}: {MEASUREMENTS[name].title} ...", flush=True)
        try:
            found = _measured(name, quick=quick)
        except MeasurementError as error:
            failed.append(name)
            print(f"{name}: {error}", file=sys.stderr)
            continue
        print(f"{name}: {found['took']:.0f} s", flush=True)
        # Kept at once: a later one that fails costs nothing.
        keep({**kept(folder / FILE.name), name: found}, folder / FILE.name)
    write_page(folder)
    if failed:
        print(f"Not measured: {', '.join(failed)}; their old figures are kept.", file=sys.stderr)
    return 1 if failed else 0


def _measured(name: str, *, quick: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.measure", name, *(["--quick"] if quick else [])]
    process = subprocess.Popen(
        command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        told, _ = process.communicate(timeout=_PATIENCE * MEASUREMENTS[name].seconds)
    except subprocess.TimeoutExpired:
        raise MeasurementError("not done in three times the time it should take") from None
    finally:
        _stop(process)
    if process.returncode or not told:
        raise MeasurementError(f"it ended with code {process.returncode}")
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


def _stop(process: subprocess.Popen[str]) -> None:
    """End it as Ctrl+C does; then whatever is left of its group: Azurite, workers, hosts."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # a session of its own, so the group is its own
    process.wait()


def _on_term(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, metavar="NAME")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it works")
    parser.add_argument("--list", action="store_true", help="the names")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="of figures.json; the page goes above it"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
