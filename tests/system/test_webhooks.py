"""Webhooks of a whole Rowmill: asked for, signed with the secret that the command tells, shown on the job."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from tests.system.conftest import Rowmill, Start

TABLE = b"region,value_column\nNorth,1\nSouth,2\n"


@asynccontextmanager
async def receiving(
    answers: asyncio.Event | None = None,
) -> AsyncIterator[tuple[str, asyncio.Queue[tuple[dict[str, str], bytes]]]]:
    """What it was called with; it answers from when it may."""
    calls: asyncio.Queue[tuple[dict[str, str], bytes]] = asyncio.Queue()

    async def take(request: web.BaseRequest) -> web.Response:
        calls.put_nowait((dict(request.headers), await request.read()))
        if answers:
            await answers.wait()
        return web.Response(status=204)

    server = web.Server(take)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", calls
    finally:
        if answers:
            answers.set()
        listening.close()
        await server.shutdown(5)


async def command(rowmill: Rowmill, *words: str) -> str:
    environment = os.environ | {"ROWMILL_DATA_DIR": str(rowmill.data), "ROWMILL_SERVER": rowmill.url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rowmill", *words),
        cwd=rowmill.data.parent,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().strip()


async def delivered(rowmill: Rowmill, job_id: str) -> list[dict[str, Any]]:
    async def shown() -> bool:
        hooks = (await rowmill.job(job_id))["webhooks"]
        return bool(hooks) and all(hook["state"] == "delivered" for hook in hooks)

    await rowmill.until(shown, "delivered")
    hooks: list[dict[str, Any]] = (await rowmill.job(job_id))["webhooks"]
    return hooks


async def test_a_webhook_is_asked_for_signed_and_shown_on_the_job_and_its_page(start: Start) -> None:
    async with receiving() as (url, calls):
        rowmill = await start(WEBHOOK_HOSTS=url, WEBHOOK_URL=f"{url}/all")
        (rowmill.data.parent / "table.csv").write_bytes(TABLE)
        asked = ("submit", "table.csv", "--kind", "summary", "--webhook", f"{url}/mine", "--wait", "--json")
        await command(rowmill, *asked)
        job = await rowmill.submit(TABLE, kind="summary", webhook=[f"{url}/a", f"{url}/b"])
        hooks = await delivered(rowmill, job["id"])
        assert [hook["url"] for hook in hooks] == [f"{url}/a", f"{url}/b", f"{url}/…"]
        assert {(hook["attempts"], hook["last_status"]) for hook in hooks} == {(1, 204)}
        secret = await command(rowmill, "webhook-secret")
        events = [Webhook(secret).verify(body, headers) for headers, body in [await calls.get() for _ in range(5)]]
        assert {event["type"] for event in events} == {"rowmill.job.succeeded.v1"}
        assert [event["subject"] for event in events].count(job["id"]) == 3
        assert secret not in rowmill.log()
        async with rowmill.session.get(f"{rowmill.url}/jobs/{job['id']}") as answer:
            page = await answer.text()
        assert f"{url}/a" in page
        assert "delivered" in page
        status, problem = await rowmill.post(TABLE, kind="summary", webhook="http://example.org/hook")
        assert (status, problem["errors"][0]["code"]) == (422, "bad_webhook")


async def test_a_webhook_that_nobody_took_is_called_again_after_kill_9(start: Start) -> None:
    answers = asyncio.Event()
    async with receiving(answers) as (url, calls):
        rowmill = await start(WEBHOOK_HOSTS=url)
        job = await rowmill.submit(TABLE, kind="summary", webhook=f"{url}/hook")
        first, _ = await calls.get()
        await rowmill.kill()
        answers.set()
        await rowmill.start()
        await delivered(rowmill, job["id"])
        again, _ = await calls.get()
    assert first["webhook-id"] == again["webhook-id"]
    assert first["webhook-id"].startswith(f"msg_{job['id']}_")
