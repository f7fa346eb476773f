"""What a rewind merges into history rows."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from durable.engine.ledger import Ledger
from durable.engine.rewinding import AwaitedChild
from durable.model.events import RewoundChild
from durable.wire.fields import Column
from durable.wire.history_rows import awaited_again_columns, rewound_columns

#: Columns by the row's index.
Changes = dict[int, Mapping[str, Column]]


class Fate(enum.Enum):
    """What becomes of the decision to start a child."""

    AWAITED = "awaited"  # it runs, or will report again
    ANEW = "anew"  # there is nothing to go on with: the parent starts it anew
    LEFT = "left"  # its id belongs to an instance that others have running


@dataclass(frozen=True, kw_only=True, slots=True)
class ChildFate:
    """What becomes of it, and where the child stood when it was rewound."""

    fate: Fate
    mark: RewoundChild | None = None


def undone_columns(ledger: Ledger, index: int) -> Mapping[str, Column]:
    """What makes a row record nothing any more."""
    row = ledger.rows[index]
    return rewound_columns(row.event, row.blobs)


def child_changes(ledger: Ledger, child: AwaitedChild, found: ChildFate) -> Changes:
    """What becomes of the rows of a child's start and failure."""
    if found.fate is Fate.LEFT:
        return {}
    changes: Changes = {}
    if child.failed is not None:
        changes[child.failed] = undone_columns(ledger, child.failed)
    if found.fate is Fate.ANEW:
        changes[child.created] = undone_columns(ledger, child.created)
    else:
        row = ledger.rows[child.created]
        changes[child.created] = awaited_again_columns(child.event, row.blobs, found.mark)
    return changes
