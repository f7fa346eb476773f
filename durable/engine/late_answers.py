"""Answers that come after a rewind has taken back what they answer: late second deliveries, say.

Decisions made anew bear the same numbers, so the number alone does not tell.
"""

from __future__ import annotations

from durable.engine.ledger import Ledger
from durable.model import ids
from durable.model.events import SubOrchestrationCompleted, SubOrchestrationFailed, answered_task
from durable.model.messages import TaskMessage


def is_of_before_rewind(ledger: Ledger, message: TaskMessage) -> bool:
    """Whether `message` answers a decision of before the last rewind that touched it."""
    task_id = answered_task(message.event)
    if task_id is None or not ledger.rewound:
        return False
    if isinstance(message.event, SubOrchestrationCompleted | SubOrchestrationFailed):
        return _is_of_former_child(ledger, message, task_id)
    # The episode is the stretch that asked.
    stretches = ledger.rewound_ids.get(task_id)
    return stretches is not None and 0 < (message.episode or 0) <= stretches[-1]


def _is_of_former_child(ledger: Ledger, message: TaskMessage, task_id: int) -> bool:
    """The episode is the child's own here."""
    sender = message.sender.execution_id if message.sender is not None else None
    mark = ledger.rewound_children.get(task_id)
    if mark is not None and mark.execution_id == sender:
        return 0 < (message.episode or 0) <= mark.sequence
    own = ledger.started.instance.execution_id if ledger.started is not None else None
    stretches = ledger.rewound_ids.get(task_id, [])
    before = [0, *stretches[:-1]] if stretches else []
    return sender in {ids.child_execution_id(own or "", task_id, rewound=n) for n in before}
