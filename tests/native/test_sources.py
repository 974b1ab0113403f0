"""The C sources give a compiler nothing to warn of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.native import built


@pytest.mark.parametrize("flags", [(), built.PORTABLE], ids=["vectors", "portable"])
def test_the_compiler_has_nothing_to_warn_of(flags: tuple[str, ...], tmp_path: Path) -> None:
    assert built.build(tmp_path, *built.STRICT, *flags).exists()
