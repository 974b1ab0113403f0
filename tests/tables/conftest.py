from __future__ import annotations

import pytest

from protocol.files import BlockingFiles, open_blocking


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> BlockingFiles:
    return open_blocking(tmp_path_factory.mktemp("files").as_uri())
