"""The worked examples, through HTTP: byte for byte in the files, to 1e-12 in the numbers, however the file is cut."""

from __future__ import annotations

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
WHOLE, SOME, EVERY_ROW = "1GiB", "100", "1"


@pytest.mark.parametrize("chunk_size", [WHOLE, SOME, EVERY_ROW])
async def test_sales_comes_out_as_worked_by_hand(start, chunk_size):
    rowmill = await start(CHUNK_SIZE=chunk_size)
    job = await rowmill.finished((await rowmill.submit(SALES, kind="sales", name="sales.csv"))["id"])
    assert job["state"] == "succeeded", job
    numbers = job["report"]["numbers"]
    assert (numbers["kept"], numbers["rejected"], numbers["anomalies"]) == (7, 3, 1)
    assert numbers["mean"] == pytest.approx(22.857142857142858, rel=1e-12)
    assert numbers["std"] == pytest.approx(34.041291453314805, rel=1e-12)
    assert numbers["threshold"] == pytest.approx(90.93972576377247, rel=1e-12)
    assert await rowmill.artefact(job["id"], "summary.csv") == (
        b"region,revenue_sum,revenue_mean,quantity_sum,discount_mean\n"
        b"East,1090,545,20,0.15\nNorth,220,110,20,0.05\nSouth,190,95,20,0.05\nWest,70,70,7,0.15\n"
    )
    assert await rowmill.artefact(job["id"], "anomalies.csv") == (
        b"region,product,revenue,quantity,discount,revenue_per_unit\nEast,B,1000,10,0.10,100\n"
    )
    assert await rowmill.artefact(job["id"], "rejected.csv") == (
        b"region,product,revenue,quantity,discount,rejected_line,rejected_reason\n"
        b"West,A,50,0,0.10,8,quantity: zero_quantity\n"
        b"West,B,,5,0.10,9,revenue: missing\n"
        b"West,C,abc,5,0.10,10,revenue: not_a_number\n"
    )
    assert job["progress"]["rows_done"] == 10
    assert job["progress"]["rows_rejected"] == 3
    assert job["report"]["account"] == {"read": 10, "used": 7, "rejected": 3, "skipped": 0}


@pytest.mark.parametrize("chunk_size", [WHOLE, SOME, EVERY_ROW])
async def test_summary_comes_out_as_worked_by_hand(start, chunk_size):
    rowmill = await start(CHUNK_SIZE=chunk_size)
    job = await rowmill.finished((await rowmill.submit(SUMMARY, kind="summary"))["id"])
    numbers = job["report"]["numbers"]
    assert numbers["total_rows"] == 5
    assert numbers["average"] == pytest.approx(27.625, rel=1e-12)
    assert (numbers["top_group"], numbers["top_group_total"]) == ("South", 50.25)


USERS = b"Ann,a@x.org\nBob,\nCyd,a@x.org\nDan,d@x.org,extra\n"
PLAYERS = b"""Name, Team, Position, Height(inches), Weight(lbs), Age
Ann, BAL, Catcher, 70, 180, 22.99
Bob, BAL, Catcher, 72, 180, 22.99
Cyd, BAL, Catcher, , 180, 22.99
Dan, BAL, Catcher, 75, , 22.99
Eve, BAL, Catcher, 71, 180, 22.99
"""


@pytest.mark.parametrize("chunk_size", [WHOLE, EVERY_ROW])
async def test_users_come_out_as_worked_by_hand_with_and_without_a_header(start, chunk_size):
    rowmill = await start(CHUNK_SIZE=chunk_size)
    for table in (USERS, b"real_name,email\n" + USERS):
        job = await rowmill.finished((await rowmill.submit(table, kind="users"))["id"])
        assert job["state"] == "succeeded", job
        first = table is USERS
        expected = {"inserted": 2 if first else 0, "updated": 0, "skipped": 1 if first else 3, "rejected": 1}
        assert job["report"]["numbers"] == expected
        used = expected["inserted"]
        assert job["report"]["account"] == {"read": 4, "used": used, "rejected": 1, "skipped": expected["skipped"]}
        assert await rowmill.artefact(job["id"], "rejected.csv") == (
            f"real_name,email,rejected_line,rejected_reason\nBob,,{2 if first else 3},email: missing\n".encode()
        )
    assert await rowmill.records("users") == [
        {"id": 1, "real_name": "Ann", "email": "a@x.org"},
        {"id": 2, "real_name": "Dan", "email": "d@x.org"},
    ]


@pytest.mark.parametrize("chunk_size", [WHOLE, EVERY_ROW])
async def test_players_come_out_as_worked_by_hand(start, chunk_size):
    rowmill = await start(CHUNK_SIZE=chunk_size)
    job = await rowmill.finished((await rowmill.submit(PLAYERS, kind="players"))["id"])
    assert job["state"] == "succeeded", job
    numbers = job["report"]["numbers"]
    assert (numbers["rows"], numbers["mean_height"], numbers["inserted"], numbers["skipped"]) == (5, 57.6, 5, 0)
    assert await rowmill.artefact(job["id"], "players.csv") == (
        b"Name,Team,Position,Height(inches),Weight(lbs),Age,current_average_height\n"
        b"Ann,BAL,Catcher,70,180,22.99,70\nBob,BAL,Catcher,72,180,22.99,70\nCyd,BAL,Catcher,,180,22.99,71\n"
        b"Dan,BAL,Catcher,75,,22.99,47\nEve,BAL,Catcher,71,180,22.99,54\n"
    )
    found = await rowmill.records("players")
    assert [row["current_average_height"] for row in found] == [70, 70, 71, 47, 54]
    assert found[3] == {
        "id": 4,
        "name": "Dan",
        "team": "BAL",
        "position": "Catcher",
        "height_inches": 75.0,
        "weight_lbs": None,
        "age": 22.99,
        "current_average_height": 47,
    }
