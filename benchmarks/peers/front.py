"""The web side that all peers share: FastAPI takes the upload, hands a path to the queue, and says how it stands.

PEER names the queue: celery, kernel (Celery with our own kernel inside), dramatiq or taskiq.
"""

from __future__ import annotations

import importlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from fastapi import FastAPI, UploadFile

app = FastAPI()
queue = importlib.import_module(f"benchmarks.peers.with_{os.environ['PEER']}")
if hasattr(queue, "open_broker"):
    app.router.on_startup.append(queue.open_broker)


@app.post("/jobs", status_code=202)
async def submit(file: UploadFile) -> dict[str, str]:
    folder = Path(os.environ["PEER_FOLDER"], secrets.token_hex(8))
    folder.mkdir()
    with (folder / "table.csv").open("wb") as out:
        shutil.copyfileobj(file.file, out)
    return {"id": await queue.send(str(folder / "table.csv"))}


@app.get("/jobs/{job}")
async def show(job: str) -> dict[str, Any]:
    return {"result": await queue.result(job)}
