"""The web side that all peers share: FastAPI takes the upload, hands a path to the queue, and waits for the result.

A client may wait for it in the request that submits, or in one that asks again: nobody has to poll.
PEER names the queue: celery, kernel (Celery with our own kernel inside), dramatiq or taskiq.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import secrets
from pathlib import Path
from typing import Any

from fastapi import FastAPI, UploadFile

PIECE = 2**20

app = FastAPI()
queue = importlib.import_module(f"benchmarks.peers.with_{os.environ['PEER']}")
app.router.on_startup.append(queue.open_front)


@app.post("/jobs", status_code=202)
async def submit(file: UploadFile, wait: float = 0) -> dict[str, Any]:
    folder = Path(os.environ["PEER_FOLDER"], secrets.token_hex(8))
    folder.mkdir()
    with (folder / "table.csv").open("wb") as out:
        while piece := await file.read(PIECE):  # in a thread where it is large
            out.write(piece)
    return await show(await queue.send(str(folder / "table.csv")), wait)


@app.get("/jobs/{job}")
async def show(job: str, wait: float = 0) -> dict[str, Any]:
    """Answered as soon as there is a result, or after *wait* seconds without one."""
    try:
        async with asyncio.timeout(wait):
            return {"id": job, "result": await queue.result(job)}
    except TimeoutError:
        return {"id": job, "result": None}
