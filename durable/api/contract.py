"""What each operation takes and answers, as data: the OpenAPI document is made of it.

Operations can read no parameter that is not here (`durable.api.call`); the tests check each of
their answers against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from durable.api import parameters as p
from durable.api.parameters import Parameter
from durable.api.routes import Operation

#: The header of any answer that names what was not understood.
IGNORED = "x-durable-ignored"
LOCATION, RETRY_AFTER, CONTINUATION = "Location", "Retry-After", p.CONTINUATION.name
RETRY_STATUS, RETRY_STARTED = "5", "10"

#: Names of schemas (`durable.api.bodies`).
STATUS, STATUSES, LINKS, DELETED = "InstanceStatus", "InstanceList", "CheckStatus", "Deleted"
ENTITIES = "EntityList"
QUARANTINED, QUARANTINE = "QuarantinedMessage", "QuarantineList"
ERROR, TEXT, VALUE = "Error", "ErrorText", "Value"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What comes with a status code.

    Attributes:
        meaning: when it is given.
        bodies: the names of the schemas its body may have; none: there is no body.
        headers: the headers that are always there, beside the content type.
    """

    meaning: str
    bodies: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """A JSON body that an operation takes. `or_text`: of another content type it is a text."""

    meaning: str
    required: bool
    or_text: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """What an operation takes and answers.

    Attributes:
        summary: what it is for.
        parameters: of query string and headers, beside those every operation takes.
        body: what the request may hold.
        answers: by status code, beside those every operation may give.
        open: everybody may ask, for any hub or none.
    """

    summary: str
    parameters: tuple[Parameter[object], ...] = ()
    body: Body | None = None
    answers: Mapping[int, Answer]
    open: bool = False


#: What every operation takes and may answer, but for the open ones.
COMMON_PARAMETERS = (p.TASK_HUB, p.CONNECTION)
COMMON_ANSWERS: Mapping[int, Answer] = MappingProxyType(
    {
        400: Answer(meaning="A parameter or the body is malformed; it is named.", bodies=(ERROR,)),
        401: Answer(meaning="No key, or one that does not open this."),
        413: Answer(meaning="The body, or what it would store, is too large.", bodies=(ERROR,)),
        500: Answer(meaning="Something went wrong in the app; its log says what.", bodies=(ERROR,)),
        503: Answer(meaning="Storage is away or asks for patience.", bodies=(ERROR,)),
    }
)

_NOBODY = Answer(meaning="There is no such instance.")
_ENDED = Answer(meaning="It has ended.")
_STARTED = Answer(
    meaning="Started; the links that manage it.",
    bodies=(LINKS,),
    headers=(LOCATION, RETRY_AFTER),
)
_OUTPUT = Answer(
    meaning="It ended within the wait: its output, or its status if it did not complete.",
    bodies=(VALUE,),
)
_TAKEN = Answer(meaning="The instance runs.", bodies=(ERROR,))
_REMOVED = Answer(meaning="How many were removed.", bodies=(DELETED,))
_SENT = Answer(meaning="Sent.")
_NO_MESSAGE = Answer(meaning="There is no such message in quarantine.")
_PAGE = Answer(
    meaning="A page. Its continuation token is empty on the last one.", headers=(CONTINUATION,)
)
_WAIT = (p.TIMEOUT, p.POLLING_INTERVAL)

CONTRACTS: Mapping[Operation, Contract] = MappingProxyType(
    {
        Operation.START: Contract(
            summary="Start an orchestration, under the given id or a fresh one.",
            parameters=(*_WAIT, p.VERSION),
            body=Body(meaning="The input.", required=False),
            answers={200: _OUTPUT, 202: _STARTED, 409: _TAKEN},
        ),
        Operation.LIST: Contract(
            summary="List instances, page by page.",
            parameters=(
                p.ID_PREFIX,
                p.CREATED_FROM,
                p.CREATED_TO,
                p.STATUSES,
                p.SHOW_INPUT,
                p.TOP,
                p.CONTINUATION,
            ),
            answers={200: replace(_PAGE, bodies=(STATUSES,))},
        ),
        Operation.PURGE_MANY: Contract(
            summary="Remove all finished instances that fit, with their histories and payloads.",
            parameters=(p.PURGED_FROM, p.PURGED_TO, p.PURGED_STATUSES, p.FORCE),
            answers={
                200: _REMOVED,
                400: Answer(meaning=COMMON_ANSWERS[400].meaning, bodies=(ERROR, TEXT)),
                404: Answer(meaning="None fits."),
            },
        ),
        Operation.STATUS: Contract(
            summary="The status of an instance.",
            parameters=(p.SHOW_INPUT, p.SHOW_HISTORY, p.SHOW_OUTPUT, p.FAILURE_AS_500),
            answers={
                200: Answer(meaning="It has ended.", bodies=(STATUS,)),
                202: Answer(
                    meaning="It has not ended: look again, and where.",
                    bodies=(STATUS,),
                    headers=(LOCATION, RETRY_AFTER),
                ),
                404: _NOBODY,
                500: Answer(
                    meaning="It failed, and returnInternalServerErrorOnFailure was set; or "
                    "something went wrong in the app.",
                    bodies=(STATUS, ERROR),
                ),
            },
        ),
        Operation.PURGE: Contract(
            summary="Remove a finished instance, or any entity, with its history and payloads.",
            answers={
                200: _REMOVED,
                404: _NOBODY,
                412: Answer(meaning="It has not ended.", bodies=(ERROR,)),
            },
        ),
        Operation.RAISE_EVENT: Contract(
            summary="Send an event to an instance.",
            body=Body(meaning="The event's data.", required=True),
            answers={202: _SENT, 404: _NOBODY, 410: _ENDED},
        ),
        Operation.TERMINATE: Contract(
            summary="End an instance.",
            parameters=(p.REASON,),
            answers={202: _SENT, 404: _NOBODY, 410: _ENDED},
        ),
        Operation.SUSPEND: Contract(
            summary="Let an instance stand still; 500 if it does so already.",
            parameters=(p.REASON,),
            answers={202: _SENT, 404: _NOBODY, 410: _ENDED},
        ),
        Operation.RESUME: Contract(
            summary="Let a suspended instance go on; 500 if it is not suspended.",
            parameters=(p.REASON,),
            answers={202: _SENT, 404: _NOBODY, 410: _ENDED},
        ),
        Operation.REWIND: Contract(
            summary="Let a failed instance go on from its last good point.",
            parameters=(p.REASON,),
            answers={
                202: _SENT,
                404: _NOBODY,
                409: Answer(meaning="It has not ended.", bodies=(ERROR,)),
                410: Answer(meaning="It has ended, but not failed."),
            },
        ),
        Operation.RESTART: Contract(
            summary="Start what an instance ran once more, with the same input.",
            parameters=(p.NEW_ID, *_WAIT),
            answers={200: _OUTPUT, 202: _STARTED, 409: _TAKEN},
        ),
        Operation.RESTART_WITH_OPTIONS: Contract(
            summary="Start what an instance ran once more, under the id and version given.",
            parameters=(p.CHOSEN_ID, p.VERSION),
            answers={202: _STARTED, 409: _TAKEN},
        ),
        Operation.ENTITY_LIST: Contract(
            summary="List entities that exist, of one name or all, page by page.",
            parameters=(
                p.OPERATED_FROM,
                p.OPERATED_TO,
                p.FETCH_STATE,
                p.ENTITY_TOP,
                p.CONTINUATION,
            ),
            answers={200: replace(_PAGE, bodies=(ENTITIES,))},
        ),
        Operation.ENTITY_STATE: Contract(
            summary="The state of an entity.",
            answers={
                200: Answer(meaning="The state, and nothing else.", bodies=(VALUE,)),
                404: Answer(meaning="There is no such entity, or it was deleted."),
            },
        ),
        Operation.ENTITY_SIGNAL: Contract(
            summary="Ask an entity for an operation, without waiting for it.",
            parameters=(p.OP,),
            body=Body(meaning="The operation's input.", required=False, or_text=True),
            answers={202: _SENT},
        ),
        Operation.ENTITY_DELETE: Contract(
            summary="Ask an entity for its operation delete.",
            answers={202: _SENT},
        ),
        Operation.QUARANTINE_LIST: Contract(
            summary="List messages that nobody could deal with, page by page.",
            parameters=(
                p.OF_QUEUE,
                p.OF_INSTANCE,
                p.SHOW_TEXT,
                p.MESSAGE_TOP,
                p.CONTINUATION,
            ),
            answers={200: replace(_PAGE, bodies=(QUARANTINE,))},
        ),
        Operation.QUARANTINE_SHOW: Contract(
            summary="A message in quarantine.",
            parameters=(p.SHOW_TEXT,),
            answers={
                200: Answer(meaning="It is there.", bodies=(QUARANTINED,)),
                404: _NO_MESSAGE,
            },
        ),
        Operation.QUARANTINE_REPLAY: Contract(
            summary="Put a message back into its queue, and out of quarantine.",
            answers={
                202: Answer(meaning="It is in its queue."),
                404: _NO_MESSAGE,
                409: Answer(meaning="It can't be put back, and stays.", bodies=(ERROR,)),
            },
        ),
        Operation.QUARANTINE_DISCARD: Contract(
            summary="Delete a message in quarantine for good.",
            answers={204: Answer(meaning="Deleted."), 404: _NO_MESSAGE},
        ),
        Operation.MAKE_PRIMARY: Contract(
            summary="Nothing to do: every app on a hub serves it, there is no lease to take over.",
            answers={200: Answer(meaning="Always.")},
        ),
        Operation.OPENAPI: Contract(
            summary="This document.",
            answers={200: Answer(meaning="An OpenAPI document.", bodies=(VALUE,))},
            open=True,
        ),
    }
)
