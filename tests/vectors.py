"""Tables worked by hand, and what becomes of them: the same by HTTP and by message, however a file is cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

SALES = b"""region,product,revenue,quantity,discount
North,A,100,10,0.10
North,B,120,10,0.00
South,A,80,10,0.05
South,B,110,10,0.05
East,A,90,10,0.20
East,B,1000,10,0.10
West,A,50,0,0.10
West,B,,5,0.10
West,C,abc,5,0.10
West,D,70,7,0.15
"""
SUMMARY = b"""region,value_column
North,10.00
South,20.00
South,30.25
North,
West,50.25
"""
PROFILE = """city,price,day
Bonn,1.5,2024-01-31
Bonn,2,2024-02-01
Köln,4,2024-02-03
,8.5,
Bonn,2,2024-02-01
short
""".encode()
USERS = b"Ann,a@x.org\nBob,\nCyd,a@x.org\nDan,d@x.org,extra\n"
PLAYERS = b"""Name, Team, Position, Height(inches), Weight(lbs), Age
Ann, BAL, Catcher, 70, 180, 22.99
Bob, BAL, Catcher, 72, 180, 22.99
Cyd, BAL, Catcher, , 180, 22.99
Dan, BAL, Catcher, 75, , 22.99
Eve, BAL, Catcher, 71, 180, 22.99
"""


def close(number: float) -> Any:
    return pytest.approx(number, rel=1e-12)


@dataclass(frozen=True)
class Vector:
    """A table, and what its job has to show: numbers, the account (read, used, rejected, skipped), files, records."""

    kind: str
    table: bytes
    numbers: Mapping[str, Any]
    account: tuple[int, int, int, int]
    artefacts: Mapping[str, bytes] = field(default_factory=dict)
    records: tuple[tuple[Any, ...], ...] | None = None

    def check(self, job: Mapping[str, Any], artefacts: Mapping[str, bytes]) -> None:
        assert job["state"] == "succeeded", job["problem"]
        numbers = job["report"]["numbers"]
        assert {name: numbers.get(name) for name in self.numbers} == self.numbers
        assert tuple(job["report"]["account"].values()) == self.account
        read, _, rejected, _ = self.account
        assert (job["progress"]["rows_done"], job["progress"]["rows_rejected"]) == (read, rejected)
        assert {name: artefacts[name] for name in self.artefacts} == self.artefacts

    def check_records(self, rows: list[dict[str, Any]]) -> None:
        """Keys grow in the order of the file; a database may leave some out."""
        keys, *columns = zip(*(row.values() for row in rows), strict=True)
        assert list(keys) == sorted(set(keys))
        assert tuple(zip(*columns, strict=True)) == self.records


VECTORS = (
    Vector(
        "sales",
        SALES,
        {
            "kept": 7,
            "rejected": 3,
            "anomalies": 1,
            "mean": close(22.857142857142858),
            "std": close(34.041291453314805),
            "threshold": close(90.93972576377247),
        },
        (10, 7, 3, 0),
        {
            "summary.csv": b"region,revenue_sum,revenue_mean,quantity_sum,discount_mean\n"
            b"East,1090,545,20,0.15\nNorth,220,110,20,0.05\nSouth,190,95,20,0.05\nWest,70,70,7,0.15\n",
            "anomalies.csv": b"region,product,revenue,quantity,discount,revenue_per_unit\nEast,B,1000,10,0.10,100\n",
            "rejected.csv": b"region,product,revenue,quantity,discount,rejected_line,rejected_reason\n"
            b"West,A,50,0,0.10,8,quantity: zero_quantity\n"
            b"West,B,,5,0.10,9,revenue: missing\n"
            b"West,C,abc,5,0.10,10,revenue: not_a_number\n",
        },
    ),
    Vector(
        "summary",
        SUMMARY,
        {"total_rows": 5, "average": close(27.625), "top_group": "South", "top_group_total": 50.25},
        (5, 5, 0, 0),
    ),
    Vector(
        "profile",
        PROFILE,
        {
            "rows": 5,
            "columns": 3,
            "rejected": 1,
            "blank_cells": 2,
            "duplicate_rows": 1,
            "duplicates_are": "exact",
            "warnings": 2,
        },
        (6, 5, 1, 0),
        {
            "columns.csv": b"column,type,count,missing,distinct,distinct_is,min,max,mean,std,p5,p25,median,p75,p95,"
            b"quantiles_are,shortest,longest,mean_length\n"
            b"city,text,4,1,2,exact,,,,,,,,,,,4,4,4\n"
            b"price,number,5,0,4,exact,1.5,8.5,3.6,2.90258505474,1.6,2,2,4,7.6,exact,1,3,1.8\n"
            b"day,date,4,1,3,exact,2024-01-31,2024-02-03,,,2024-01-31,2024-01-31,2024-02-01,2024-02-01,2024-02-02,"
            b"exact,10,10,10\n",
            "values.csv": b"column,value,count,share,counted\n"
            b"city,Bonn,3,0.75,exact\nprice,2,2,0.4,exact\nday,2024-02-01,2,0.5,exact\n",
            "warnings.csv": b"column,line,warning,detail\n"
            b",,rejected_rows,1 row left out: the number of cells is not the header's. See rejected.csv.\n"
            b",,duplicate_rows,1 row repeated: the same was there before.\n",
            "rejected.csv": b"city,price,day,rejected_line,rejected_reason\nshort,,,7,short_row: 1 of 3 cells\n",
        },
    ),
    Vector(
        "users",
        USERS,
        {"inserted": 2, "updated": 0, "skipped": 1, "rejected": 1},
        (4, 2, 1, 1),
        {"rejected.csv": b"real_name,email,rejected_line,rejected_reason\nBob,,2,email: missing\n"},
        (("Ann", "a@x.org"), ("Dan", "d@x.org")),
    ),
    Vector(
        "users",
        b"real_name,email\n" + USERS,
        {"inserted": 0, "updated": 0, "skipped": 3, "rejected": 1},
        (4, 0, 1, 3),
        {"rejected.csv": b"real_name,email,rejected_line,rejected_reason\nBob,,3,email: missing\n"},
        (("Ann", "a@x.org"), ("Dan", "d@x.org")),
    ),
    Vector(
        "players",
        PLAYERS,
        {"rows": 5, "mean_height": 57.6, "inserted": 5, "updated": 0, "skipped": 0, "rejected": 0},
        (5, 5, 0, 0),
        {
            "players.csv": b"Name,Team,Position,Height(inches),Weight(lbs),Age,current_average_height\n"
            b"Ann,BAL,Catcher,70,180,22.99,70\nBob,BAL,Catcher,72,180,22.99,70\nCyd,BAL,Catcher,,180,22.99,71\n"
            b"Dan,BAL,Catcher,75,,22.99,47\nEve,BAL,Catcher,71,180,22.99,54\n"
        },
        (
            ("Ann", "BAL", "Catcher", 70, 180, 22.99, 70),
            ("Bob", "BAL", "Catcher", 72, 180, 22.99, 70),
            ("Cyd", "BAL", "Catcher", None, 180, 22.99, 71),
            ("Dan", "BAL", "Catcher", 75, None, 22.99, 47),
            ("Eve", "BAL", "Catcher", 71, 180, 22.99, 54),
        ),
    ),
)
