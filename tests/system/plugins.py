"""Packages that offer kinds, as pip leaves them: a module and its metadata in a folder of the path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def install(folder: Path, package: str, kinds: Mapping[str, str], **modules: str) -> None:
    """Put *package* 1.0 into *folder*: its entry points, kind by kind, and the text of its modules."""
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    points = "".join(f"{name} = {place}\n" for name, place in kinds.items())
    (info / "entry_points.txt").write_text(f"[rowmill.kinds]\n{points}")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)


GOOD = '''"""Counts rows."""

from consumer.kinds import Column, Kind, Report


def chunk(frame, _params):
    if (frame["n"] == 13).any():
        raise ArithmeticError("unlucky")
    return len(frame)


KIND = Kind(
    title="Good",
    columns=lambda _params: [Column("n", "number")],
    chunk=chunk,
    combine=sum,
    finalize=lambda total, _params: Report(numbers={"rows": total}, used=total),
    headline=lambda numbers: f"{numbers['rows']} rows",
)
'''

# The same, which also tells whether there is compiled code to use.
TELLING = GOOD.replace('{"rows": total}', '{"rows": total, "compiled": int(native.is_there())}').replace(
    "from consumer", "from consumer import native\nfrom consumer", 1
)
