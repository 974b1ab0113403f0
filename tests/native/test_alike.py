"""A job's result is the same to the byte with compiled code and without."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from consumer import native
from consumer.native import tokens
from consumer.native.tokens import read
from tests.consumer import milling
from tests.tables import test_dirt as dirt

KINDS: dict[str, dict[str, Any]] = {
    "sales": {},
    "summary": {"value_column": "revenue", "group_column": "note"},
    "profile": {},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ends", ["lf", "crlf"])
def test_a_result_is_the_same_to_the_byte_with_compiled_code_and_without(
    kind: str, ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native.is_there():
        pytest.skip("nothing was compiled: there is no C compiler")
    data, outcomes = dirt.table(dirt.ENDS[ends], mark=True, count=3_000, odd=False).encode(), list[object]()
    monkeypatch.setattr(tokens, "read", lambda *given: outcomes.append(found := read(*given)) or found)
    tables = {"whole": 10**9, "cut": 20_000}
    found = [_run(tmp_path, data, f"{name}-compiled", kind, size) for name, size in tables.items()]
    assert any(isinstance(outcome, tokens.Cells) for outcome in outcomes)
    monkeypatch.setattr(native, "_loaded", native.NotThere)
    found += [_run(tmp_path, data, f"{name}-plain", kind, size) for name, size in tables.items()]
    assert all(one == found[0] for one in found)


def _run(folder: Path, data: bytes, name: str, kind: str, size: int) -> Any:
    task = milling.submit(folder, data, name=name, kind=kind, chunk_size=size, **KINDS[kind])
    report, files = milling.run(task, random.Random(name)).result
    return report.numbers, report.tables, files
