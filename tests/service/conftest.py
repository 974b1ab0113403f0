from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.house import House, keep


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with keep(tmp_path) as house:
        yield house
