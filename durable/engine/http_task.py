"""An HTTP request, and the polls that follow an answer of 202, as one task."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from durable.engine.atomic_tasks import Issuer, TimerTask
from durable.engine.compound_tasks import MAX_TIMER, LongTimerTask
from durable.engine.task_base import Holder, TaskBase
from durable.errors import HttpCallFailed
from durable.model.http import ACCEPTED, DurableHttpResponse, HttpRequest
from durable.model.http_polling import next_poll, poll_delay, shown


class HttpTask(Holder):
    """Done with the first answer that is not to be followed; fails as a request does.

    Each request and each timer between two has its own number. A 202 without Location leads
    nowhere, and so is the result itself.
    """

    def __init__(
        self,
        issuer: Issuer,
        request: HttpRequest,
        send: Callable[[HttpRequest], TaskBase],
        default_delay: timedelta,
    ) -> None:
        super().__init__()
        self._issuer = issuer
        self._request = request
        self._send = send
        self._default_delay = default_delay
        self._location: str | None = None
        self._has_begun = False

    def belongs_to(self, issuer: object) -> bool:
        return self._issuer is issuer

    def issue(self, location: str | None) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._location = location
            self._hold(self._send(self._request))

    def handle_completion(self, child: TaskBase) -> None:
        if isinstance(child, TimerTask):
            self._hold(self._send(self._request))
            return
        response = child.result
        target = response.header("Location") if isinstance(response, DurableHttpResponse) else None
        if not isinstance(response, DurableHttpResponse) or not target or not self._polls(response):
            self.settle(isinstance(response, BaseException), response)
            return
        try:
            self._request = next_poll(self._request, target)
        except ValueError as error:
            asked = f"{self._request.method} {shown(self._request.uri)}"
            text = f"{asked} answered 202 with a Location that can't be followed: {error}."
            self.settle(is_error=True, value=HttpCallFailed(text))
            return
        self._wait(poll_delay(response, self._issuer.now, self._default_delay))

    def _polls(self, response: DurableHttpResponse) -> bool:
        return self._request.polls and response.status_code == ACCEPTED

    def _wait(self, delay: timedelta) -> None:
        timer = LongTimerTask if delay > MAX_TIMER else TimerTask
        self._hold(timer(self._issuer, self._issuer.now + delay))

    def _hold(self, child: TaskBase) -> None:
        child.add_parent(self)
        child.issue(self._location)
        self.id = child.id
