"""A server that answers like a storage service, to see what is sent and what a failure does."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from tests.manual_clock import ManualClock

DATE = "Mon, 06 May 2024 07:08:09 GMT"


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    raw_query: str
    headers: dict[str, str]
    body: bytes
    peer: object


Answer = web.Response | None


class FakeService:
    """Gives the answers queued for it, in turn; None breaks the connection off."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self.port = 0

    def will_answer(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        self.requests.append(
            Request(
                method=request.method,
                path=request.raw_path.partition("?")[0],
                query=dict(request.query),
                raw_query=request.raw_path.partition("?")[2],
                headers={name.lower(): value for name, value in request.headers.items()},
                body=await request.read(),
                peer=request.transport.get_extra_info("peername"),
            )
        )
        answer = self.answers.pop(0)
        if answer is None:
            request.transport.close()
            return web.Response()
        return answer


class NoWait(ManualClock):
    """A clock whose jitter is nothing, so that retries follow at once."""

    def jitter(self, low: float, high: float) -> float:
        return 0.0
