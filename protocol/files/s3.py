"""s3://bucket/prefix - S3 and what speaks like it; keys and endpoint come from the usual AWS_* variables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from obstore.store import S3Store

from protocol.files import BlockingFiles
from protocol.files.objects import BlockingObjects, Objects, try_out
from protocol.findings import Finding


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Objects]:
    yield Objects(S3Store.from_url(url), url)


async def examine(url: str) -> Finding:
    async with connect(url) as files:
        return await try_out(files)


def connect_blocking(url: str) -> BlockingFiles:
    return BlockingObjects(S3Store.from_url(url))
