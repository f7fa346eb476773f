"""``python -m tests.soak``: the soak from the command line; exit code 1 when something is wrong."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path

from tests.soak.fleet import Leases
from tests.soak.report import write_report
from tests.soak.soak import Plan, run_soak


def main() -> int:
    """Run it and write the report."""
    options = _parser().parse_args()
    seed = options.seed
    if seed is None:
        seed = random.SystemRandom().randrange(1_000_000)
    plan = Plan(
        seconds=options.minutes * 60,
        kill_every=options.kill_every,
        azurite_restarts=options.azurite_restarts,
        drain_seconds=options.drain_minutes * 60,
        per_second=options.per_second,
        at_once=options.at_once,
        leases=Leases(own=options.own_lease, host=options.host_lease, worker=options.worker_lease),
        seed=seed,
    )
    result = asyncio.run(run_soak(plan, _say))
    write_report(result, options.report)
    print(options.report.read_text(encoding="utf-8"))
    return 1 if result.wrong else 0


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    leases = Leases()
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description="Mixed load on hosts and workers that are killed, and on an Azurite that is "
        "restarted; then everything must be there, once.",
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="of load (default 30)")
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds (default 20)")
    parser.add_argument("--azurite-restarts", type=int, default=3, help="spread over it (3)")
    parser.add_argument("--drain-minutes", type=float, default=15.0, help="then at most (15)")
    parser.add_argument("--per-second", type=float, default=4.0, help="instances (default 4)")
    parser.add_argument("--at-once", type=int, default=40, help="young instances (default 40)")
    parser.add_argument("--own-lease", type=int, default=leases.own, help="ownLeaseSeconds")
    parser.add_argument("--host-lease", type=int, default=leases.host, help="the Functions host's")
    parser.add_argument("--worker-lease", type=int, default=leases.worker, help="the workers'")
    parser.add_argument("--report", type=Path, default=Path(".reports/soak.md"), help="where to")
    parser.add_argument("--seed", type=int, help="one at random when left out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
