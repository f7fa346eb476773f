"""One measurement, in this process; its figures as JSON on standard output.

    .venv/bin/python -m benchmarks.measure NAME [--quick]

``python -m benchmarks`` starts one of these for each, so that none finds the other's memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import resource
import signal
import sys
import time
from collections.abc import Sequence

from benchmarks.measure.catalog import MEASUREMENTS
from benchmarks.measure.figures import circumstances


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measure", description=__doc__)
    parser.add_argument("name", choices=MEASUREMENTS)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it works")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _as_interrupt)  # Azurite and other processes are stopped
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    where = circumstances()
    began = time.perf_counter()
    figures = asyncio.run(MEASUREMENTS[options.name].measure(quick=options.quick))
    took = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**where, "took": took, "peak_mb": memory, "figures": figures}))
    return 0


def _as_interrupt(_number: int, _frame: object) -> None:
    signal.raise_signal(signal.SIGINT)  # asyncio's runner cancels, and everything is closed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
