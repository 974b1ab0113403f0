"""A server for all the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from client_support import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    assert running.stop() == 0
    running.close()
