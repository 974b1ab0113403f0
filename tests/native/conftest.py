from __future__ import annotations

from collections.abc import Iterator

import pytest

from consumer import native
from tests.native import built


@pytest.fixture(scope="module")
def installed() -> None:
    if not native.is_there():
        pytest.skip("nothing was compiled: there is no C compiler")


@pytest.fixture(scope="module", params=[(), built.PORTABLE], ids=["vectors", "portable"])
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The compiled part both as it is installed here and as it is where a processor has no vectors."""
    with built.used(built.build(tmp_path_factory.mktemp("native"), *request.param)):
        yield
