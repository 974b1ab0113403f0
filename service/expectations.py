"""`Expect: 100-continue`: whoever waits before sending a body is told to go on once somebody wants to read it."""

from __future__ import annotations

from aiohttp import HttpVersion11, web

from service.problems import Refused

INVITATION = "100-continue"


def wait_for_the_guard(router: web.UrlDispatcher) -> None:
    """Keep the library from answering before anybody has judged the request, also one that leads nowhere.

    That has a route of its own each time, and the library takes an answer to Expect with each route only.
    """
    resolve = router.resolve

    async def resolve_quietly(request: web.Request) -> web.UrlMappingMatchInfo:
        found = await resolve(request)
        found.route._expect_handler = _say_nothing  # noqa: SLF001
        return found

    router.resolve = resolve_quietly  # type: ignore[method-assign]


async def _say_nothing(_request: web.Request) -> None:
    pass


def check_expectation(request: web.Request) -> None:
    if _expectation(request) not in {"", INVITATION}:
        raise Refused("expectation_failed", f"Nothing but {INVITATION} can be expected here.")


async def invite(request: web.Request) -> None:
    if _expectation(request) == INVITATION:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _expectation(request: web.Request) -> str:
    """Before HTTP/1.1 there is none, whatever the header says."""
    return request.headers.get("Expect", "").lower() if request.version >= HttpVersion11 else ""
