"""file:///folder - each mail becomes an .eml file that any mail program opens."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from contextlib import AbstractAsyncContextManager, nullcontext
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

from consumer.mailers import Deferred, Outcome, Sent
from protocol.findings import find_obstacle

log = logging.getLogger(__name__)


class Folder:
    repeatable = True  # the same mail has the same name

    def __init__(self, root: Path) -> None:
        self._root = root

    def conversing(self) -> AbstractAsyncContextManager[Folder]:
        return nullcontext(self)

    async def send(self, message: EmailMessage) -> Outcome:
        try:
            path = await asyncio.to_thread(self._write, message)
        except OSError as exc:
            return Deferred(f"the file could not be written: {exc.strerror}")
        log.info("mail written to %s", path, extra={"job": message["X-Rowmill-Job"]})
        return Sent(f"written to {path.name}")  # where that lies is the operator's business

    async def ready(self) -> str | None:
        return await asyncio.to_thread(find_obstacle, self._root)

    def _write(self, message: EmailMessage) -> Path:
        """Whole or not at all: whoever watches the folder never sees half a mail."""
        self._root.mkdir(0o700, parents=True, exist_ok=True)
        path = self._root / name_of(message)
        staged = path.with_name(f".{path.name}.part")
        with staged.open("wb") as file:
            file.write(message.as_bytes())
            file.flush()
            os.fsync(file.fileno())
        return staged.replace(path)


def name_of(message: EmailMessage) -> str:
    """The same for the same mail, and safe on every file system."""
    left = str(message["Message-ID"]).strip("<> ").rpartition("@")[0]
    return re.sub(r"[^A-Za-z0-9-]+", "-", f"{message['X-Rowmill-Job']}-{left}")[:100] + ".eml"


def connect(url: str) -> Folder:
    return Folder(Path(unquote(urlsplit(url).path)).absolute())
