"""``python -m durable.host``."""

from __future__ import annotations

import sys

from durable.host.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
