"""Players as one Celery job per row: the sender goes through the file and hands each row what came before it.

python -m benchmarks.peers.row_by_row FILE ROWS        sends, and waits until all rows are in the table
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import sqlite3
import sys
import time

from celery import Celery
from sqlalchemy import Column, Float, Integer, MetaData, String, Table, create_engine, delete, insert

DATABASE = f"{os.environ['PEER_FOLDER']}/players.db"
NAMES = ("name", "team", "position", "height_inches", "weight_lbs", "age")
app = Celery("peer", broker=os.environ["PEER_BROKER"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=64, worker_hijack_root_logger=False)
players = Table(
    "players",
    MetaData(),
    Column("id", Integer, primary_key=True),
    *(Column(name, String if place < 3 else Float) for place, name in enumerate(NAMES)),
    Column("current_average_height", Integer),
)
engine = create_engine(f"sqlite:///{DATABASE}", connect_args={"timeout": 60})


@app.task(name="player")
def run(number: int, row: list[str], total: float, seen: int) -> None:
    cells = [cell.strip() or None for cell in row]
    average = int(total / seen) if seen else int(float(cells[3] or 0))
    values = dict(zip(NAMES, cells, strict=True)) | {"id": number, "current_average_height": average}
    with engine.begin() as connection:
        connection.execute(insert(players).values(values))


def send(path: str, rows: int) -> None:
    total = 0.0
    with open(path, newline="") as file:  # noqa: PTH123 - as one writes it
        for number, row in enumerate(itertools.islice(csv.reader(file), 1, rows + 1)):
            run.delay(number, row, total, number)
            total += float(row[3].strip() or 0)


def wait(rows: int) -> None:
    with sqlite3.connect(DATABASE, timeout=60) as connection:
        while connection.execute("SELECT count(*) FROM players").fetchone()[0] < rows:
            time.sleep(0.1)


if __name__ == "__main__":
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        players.metadata.create_all(connection)
        connection.execute(delete(players))
    began, before = time.perf_counter(), time.process_time()
    send(sys.argv[1], int(sys.argv[2]))
    wait(int(sys.argv[2]))
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu": time.process_time() - before}))
