"""Of an error the line in the kind's own code is told, not that of a library, and no path of this machine."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.executors.blame import place
from consumer.origins import origins
from consumer.pool import catalogue
from tests.system.plugins import install

DEEP = """import json
def parse(): return json.loads("{")
"""
KIND = """from . import deep
def chunk(frame, params):
    return deep.parse()
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install(tmp_path, "deep-kind", {"deep": "deep_kind.kind:KIND"})
    (tmp_path / "deep_kind").mkdir()
    (tmp_path / "deep_kind" / "__init__.py").write_text(KIND)
    (tmp_path / "deep_kind" / "deep.py").write_text(DEEP)
    monkeypatch.syspath_prepend(tmp_path)
    caches = (origins, catalogue.find)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()
    for name in ("deep_kind", "deep_kind.deep"):
        sys.modules.pop(name, None)


def error_of(act) -> BaseException:
    with pytest.raises(Exception) as caught:
        act()
    return caught.value


@pytest.mark.usefixtures("package")
def test_the_last_line_of_the_kind_s_package_is_named_and_not_the_library_s() -> None:
    error = error_of(lambda: importlib.import_module("deep_kind").chunk(None, None))
    assert place(error, "deep") == "deep_kind/deep.py:2"


@pytest.mark.usefixtures("package")
def test_without_a_line_of_the_kind_the_last_of_any_is_named() -> None:
    error = error_of(lambda: importlib.import_module("deep_kind").chunk(None, None))
    assert place(error, "sales").startswith("json/decoder.py:")
    assert place(error, "nobody").startswith("json/decoder.py:")
    assert place(ValueError("never raised"), "deep") == ""


def test_of_a_kind_that_ships_its_own_file_is_named() -> None:
    kind = catalogue.find("sales")
    error = error_of(lambda: kind.chunk({}, None))
    assert place(error, "sales").startswith("consumer/kinds/sales.py:")
