"""Which build of a kind this is: a digest of all code that its partials are made of and by. Runs in the pool."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from consumer.origins import origins

# What is kept of a job is pickled: it hangs on the classes of the steps, too.
CODE = ("accounts.py", "exact", "kinds/__init__.py", "native", "parts", "pool", "profiling", "steps.py", "tables")
HERE = Path(__file__).parents[1]
LIBRARIES = ("numpy", "pandas", "pyarrow")


@cache
def build_of(kind: str) -> str:
    """The same for the same code; what another build has found cannot be gone on from."""
    digest = hashlib.sha256()
    for library in LIBRARIES:
        digest.update(version(library).encode())
    for path in sorted({*_ours(), *_own(kind)}):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _ours() -> Iterator[Path]:
    for part in CODE:
        path = HERE / part
        yield from (*path.rglob("*.py"), *path.rglob("*.[ch]")) if path.is_dir() else [path]


def _own(kind: str) -> Iterator[Path]:
    """The module of the kind, or all of the package that it comes in."""
    origin = origins().get(kind)
    spec = find_spec(origin.home) if origin else None
    if spec is None or spec.origin is None:
        return
    file = Path(spec.origin)
    yield from file.parent.rglob("*.py") if spec.submodule_search_locations else [file]
