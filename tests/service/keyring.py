"""A service with keys in use, and whoever has one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from service.limits import Limits
from tests.service.house import House, keep

ROOT_KEY = "the key of the settings"
ROOT = {"Authorization": f"Bearer {ROOT_KEY}"}


@asynccontextmanager
async def locked(folder: Path, limits: Limits | None = None, **given: Any) -> AsyncIterator[House]:
    async with keep(folder, limits, api_keys=ROOT_KEY, **given) as house:
        yield house


async def make_key(house: House, name: str, *scopes: str) -> dict[str, str]:
    """A new key, as the header that shows it."""
    wanted = {"name": name, "scopes": scopes or ("submit", "read")}
    async with house.http.post("/v1/keys", json=wanted, headers=ROOT) as answer:
        made = await answer.json()
        assert answer.status == 201, made
        return bearer(made["key"])


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def ask(house: House, method: str, path: str, headers: Mapping[str, str], **options: Any) -> tuple[int, Any]:
    async with house.http.request(method, path, headers=headers, **options) as answer:
        text = await answer.text()
        return answer.status, (await answer.json(content_type=None)) if text.startswith(("{", "[")) else text
