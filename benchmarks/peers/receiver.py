"""An upload as one writes it in FastAPI: UploadFile, copied to where it belongs; and the raw body beside it."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from fastapi import FastAPI, Request, UploadFile

app = FastAPI()
folder = Path(os.environ["PEER_FOLDER"])


@app.post("/form", status_code=201)
def receive_form(file: UploadFile) -> dict[str, int]:
    with (folder / secrets.token_hex(8)).open("wb") as out:
        shutil.copyfileobj(file.file, out)
        return {"size": out.tell()}


@app.put("/raw/{name}", status_code=201)
async def receive_body(name: str, request: Request) -> dict[str, int]:  # noqa: ARG001 - nginx is told one
    with (folder / secrets.token_hex(8)).open("wb") as out:
        async for piece in request.stream():
            out.write(piece)
        return {"size": out.tell()}
