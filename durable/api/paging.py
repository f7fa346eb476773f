"""Where a page of a list begins, as requests and answers say it in a header."""

from __future__ import annotations

from durable.api import parameters, schema
from durable.api.call import Call
from durable.api.contract import CONTINUATION
from durable.api.http import Response
from durable.errors import CorruptRecord

#: The continuation of a page that was asked to hold nothing.
_FROM_START = "start"


def start_of(call: Call) -> str | None:
    """Where the page begins that is asked for; None at the list's beginning."""
    # The original's tokens end in a blank, which clients may strip; ours have none.
    token = (call.read(parameters.CONTINUATION) or "").strip() or None
    return None if token == _FROM_START else token


def after_nothing(start: str | None, *, more: bool) -> str | None:
    """The continuation of a page that was asked to hold nothing: it goes on where it began."""
    return (start or _FROM_START) if more else None


def no_such_page(error: CorruptRecord) -> Response:
    """The answer to a continuation that storage does not take."""
    text = f"{CONTINUATION} is none that this list gave out: {error}"
    return schema.error_response(400, schema.BAD_ARGUMENT, error, text)
