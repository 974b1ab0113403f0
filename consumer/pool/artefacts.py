"""Writes the files of a result: whole, hashed on the way, and joined from pieces in bounded memory."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from consumer.origins import NoKind
from consumer.pool import reporting
from protocol.files import PIECE, BlockingFiles
from protocol.job import Artefact, Table

MEDIA_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
PREVIEW = 256 * 2**10  # bytes of an artefact from which its first rows are taken


class Artefacts:
    def __init__(self, files: BlockingFiles, job_id: str, prefix: str) -> None:
        self._files, self._job_id, self._prefix = files, job_id, f"{prefix}artefacts/"
        self._heads: dict[str, tuple[bytes, bool]] = {}  # how each begins, and whether that is all

    def add(self, name: str, data: Iterable[bytes]) -> Artefact:
        """Store *data* as the artefact *name*."""
        name = re.sub(r"[^a-z0-9_.-]", "_", name.lower())
        if name in self._heads:
            raise NoKind(f"two of its tables would be {name}")
        hashed, head, size = hashlib.sha256(), b"", 0

        def passing() -> Iterator[bytes]:
            nonlocal head, size
            for piece in data:
                hashed.update(piece)
                head += piece[: PREVIEW - len(head)]
                size += len(piece)
                yield piece

        self._files.write(self._prefix + name, passing())
        self._heads[name] = head, size <= PREVIEW
        return Artefact(
            name=name,
            media_type=MEDIA_TYPES["." + name.rpartition(".")[2]],
            size=size,
            sha256=hashed.hexdigest(),
            url=f"/v1/jobs/{self._job_id}/artefacts/{name}",
        )

    def join(self, name: str, header: bytes, pieces: Sequence[str]) -> Artefact:
        """Store the header and then the pieces with these keys, in their order."""
        return self.add(name, self._joined(header, pieces))

    def _joined(self, header: bytes, pieces: Sequence[str]) -> Iterator[bytes]:
        yield header
        for key in pieces:
            size = self._files.size(key)
            for start in range(0, size, PIECE):
                yield self._files.read(key, start, min(start + PIECE, size))

    def preview(self, name: str, *, numbers: Container[str] = ()) -> Table:
        """The first rows of the artefact `{name}.csv`, which was added before."""
        head, whole = self._heads[f"{name}.csv"]
        return reporting.preview(name, head, numbers=numbers, whole=whole)


def as_json(value: Any) -> bytes:
    """On one line: Python's own encoder, which is the only one that indents, takes three times as long."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True).encode() + b"\n"
