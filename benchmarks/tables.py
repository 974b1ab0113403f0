"""Large tables: the kinds `sales` and `profile` beside what one would write instead, in pairs, every row compared.

    python benchmarks/tables.py [--mb 100] [--pairs 3] [--cores 2] [--only sales quoted …] [--markdown] [--json PATH]

Ours is the consumer itself with the job as its only message: plan, mill, select, finish, its database and file store.
Each turn is a process of its own, its libraries loaded before the clock starts; for each the file is stored anew, and
so in the page cache. CPU time and memory of all processes, and the largest of them (`worker`), as weighing.py has it.
`floor` is pyarrow's tokeniser over the needed columns alone, `service` the same job through HTTP, the upload excluded,
`plainly` the same kind without a thought of speed (plain_sales.py).
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import agreement
import made
import sheet
import turns
from turns import Turn

Way = Callable[[Path, Path, int], Any]
SALES = partial(turns.engine, "sales")
PROFILE = partial(turns.engine, "profile")
LABELS = ("table", "cores", "against", "theirs, s", "ours, s", "ratio", "goal", "CPU, s", "worker, MB", "all, MB")


@dataclass(frozen=True)
class Rival:
    """Who is compared with, and the goal: so many times its speed, or at most so many times its `seconds`."""

    name: str
    way: Way
    goal: float = 0.0
    compare: Callable[[Turn, Turn], None] | None = agreement.compare_sales
    most: bool = False

    def ratio(self, ours: Turn, theirs: Turn) -> float:
        return ours.seconds / theirs.seconds if self.most else theirs.seconds / ours.seconds


def peer(name: str, what: str, goal: float = 0.0, **more: Any) -> Rival:
    return Rival(name, partial(turns.peer, what), goal, **more)


PANDAS, POLARS = "analysis:analyse", "in_polars:analyse"
TYPED, DUCKDB = "in_polars:analyse_typed", "in_duckdb:analyse"
FLOOR = partial(peer, compare=None, most=True)
RIVALS = (
    peer("pandas", PANDAS, 10),
    peer("polars", POLARS, 2),
    peer("duckdb", DUCKDB, 2.5),
    FLOOR("floor", "floor:analyse", 2.5),
)
CASES: dict[str, tuple[Way, dict[str, Any], Sequence[Rival]]] = {
    "sales": (
        SALES,
        {},
        (*RIVALS, peer("polars, unstripped", TYPED), FLOOR("floor, as text", "floor:tokenise")),
    ),
    "service": (
        partial(turns.service, "sales"),
        {},
        (Rival("engine alone", SALES, 1.3, agreement.compare_bytes, most=True),),
    ),
    "plainly": (
        partial(turns.engine, "plain_sales"),
        {},
        (Rival("tuned kind", SALES, 2, agreement.compare_sales, most=True),),
    ),
    "longer rows": (SALES, {"longer": True}, RIVALS),
    "newlines in quotes": (SALES, {"quoted": True}, (peer("polars", POLARS), peer("duckdb", DUCKDB))),
    "unique bad texts": (SALES, {"worst": "unique"}, (peer("polars", POLARS, 1),)),
    "descending": (SALES, {"worst": "descending"}, (peer("polars", POLARS, 1),)),
    "all in quotes": (SALES, {"worst": "quoted"}, (peer("polars", POLARS, 1),)),
    "profile": (
        PROFILE,
        {},
        (peer("pandas describe, value_counts", "described:analyse", 5, compare=agreement.compare_profile),),
    ),
}


@dataclass
class Row:
    """A line of the table: one rival in one case."""

    case: str
    cores: int
    rival: Rival
    ours: list[Turn] = field(default_factory=list)
    theirs: list[Turn] = field(default_factory=list)

    def cells(self) -> list[str]:
        ratios = [self.rival.ratio(a, b) for a, b in zip(self.ours, self.theirs, strict=True)]
        goal = f"{'≤' if self.rival.most else '≥'} {self.rival.goal:g}" if self.rival.goal else ""
        return [
            self.case,
            str(self.cores),
            self.rival.name,
            f"{self._of(self.theirs, 'seconds'):.2f}",
            f"{self._of(self.ours, 'seconds'):.2f}",
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            goal,
            f"{self._of(self.ours, 'cpu'):.2f} : {self._of(self.theirs, 'cpu'):.2f}",
            f"{max(turn.worker for turn in self.ours):.0f} : {max(turn.worker for turn in self.theirs):.0f}",
            f"{max(turn.all for turn in self.ours):.0f} : {max(turn.all for turn in self.theirs):.0f}",
        ]

    @staticmethod
    def _of(some: list[Turn], what: str) -> float:
        return statistics.median(getattr(turn, what) for turn in some)

    def as_json(self) -> dict[str, Any]:
        sides = {"ours": self.ours, "theirs": self.theirs}
        numbers = {
            side: [{name: getattr(turn, name) for name in ("seconds", "cpu", "worker", "all")} for turn in some]
            for side, some in sides.items()
        }
        return {"case": self.case, "cores": self.cores, "against": self.rival.name, "goal": self.rival.goal} | numbers


async def run(asked: argparse.Namespace, folder: Path) -> AsyncIterator[Row]:
    for cores in asked.cores:
        for case in asked.only or CASES:
            ours, how, rivals = CASES[case]
            table = _table(asked, folder, how)
            for rival in rivals:
                row = Row(case, cores, rival)
                for _ in range(asked.pairs):
                    await _pair(row, ours, table, folder)
                yield row


def _table(asked: argparse.Namespace, folder: Path, how: dict[str, Any]) -> Path:
    name = "-".join(["sales", f"{asked.mb:g}", str(asked.seed), *(f"{key}{value}" for key, value in how.items())])
    path = (asked.keep or folder) / f"{name}.csv"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made.write(path, int(asked.mb * 1e6), seed=asked.seed, **how)
    return path


async def _pair(row: Row, ours: Way, table: Path, folder: Path) -> None:
    """One turn each, one after the other, with the files that they write compared."""
    async with _place(folder) as mine, _place(folder) as others:
        row.ours.append(await ours(table, mine, row.cores))
        row.theirs.append(await row.rival.way(table, others, row.cores))
        if row.rival.compare:
            row.rival.compare(row.ours[-1], row.theirs[-1])


@asynccontextmanager
async def _place(folder: Path) -> AsyncIterator[Path]:
    path = Path(tempfile.mkdtemp(dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def offer_plainly(folder: Path) -> None:
    """Have the kind plain_sales in the path as a package that was installed."""
    info = folder / "plain_sales-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plain-sales\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rowmill.kinds]\nplain_sales = plain_sales:KIND\n")
    shutil.copy(Path(__file__).parent / "plain_sales.py", folder)
    turns.PATHS.append(str(folder))


async def main(asked: argparse.Namespace) -> None:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="rowmill-bench-") as name:
        folder = Path(name)
        offer_plainly(folder)
        async for row in run(asked, folder):
            rows.append(row)
            print(f"{row.case}, {row.cores} cores: {row.rival.name} {row.cells()[5]}", file=sys.stderr, flush=True)
    print(f"{asked.mb:g} MB, {asked.pairs} pairs, medians (smallest to largest ratio); CPU and memory ours : theirs")
    print()
    sheet.tell(asked, [LABELS, *(row.cells() for row in rows)], [row.as_json() for row in rows])


def arguments() -> argparse.Namespace:
    parser = sheet.parser(__doc__)
    parser.add_argument("--mb", type=float, default=100, help="the size of the tables")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--cores", type=int, nargs="+", default=[2])
    parser.add_argument("--only", nargs="+", choices=[*CASES], metavar="CASE", help=f"of: {', '.join(CASES)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder where the tables stay, for the next time")
    parser.set_defaults(json=Path("benchmarks/tables.json"))
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
