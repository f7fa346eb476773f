"""A monitor of seven days in virtual time, on the account in memory: the CPU time it takes.

.venv/bin/python -m benchmarks.long_runs
"""

from __future__ import annotations

import sys
import time

from tests.simulation.test_long_runs import MONITORS, watch_for_seven_days


def main() -> int:
    for title, (name, value, sweeps) in MONITORS.items():
        began = time.process_time()
        watch_for_seven_days(name, value, sweeps=sweeps)
        print(f"{time.process_time() - began:6.2f} s  {title}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
