"""``python -m durable``."""

from __future__ import annotations

import sys

from durable.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
