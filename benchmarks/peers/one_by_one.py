"""Users as one would load them first: a loop over the file, an ORM object and an INSERT for each row.

python one_by_one.py FILE DATABASE ROWS once|each      committed once, at the end, or after each row
"""

from __future__ import annotations

import csv
import itertools
import json
import re
import sys
import time

from sqlalchemy import String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]+")


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    real_name: Mapped[str | None] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254, collation="NOCASE"), unique=True)


def load(path: str, database: str, rows: int, *, each: bool) -> dict[str, int]:
    engine = create_engine(f"sqlite:///{database}")
    Base.metadata.create_all(engine)
    counts = {"inserted": 0, "skipped": 0, "rejected": 0}
    seen: set[str] = set()  # kinder than asking the database each time
    with Session(engine) as session, open(path, newline="") as file:  # noqa: PTH123 - as one writes it
        for name, email in itertools.islice(csv.reader(file), rows):
            if not ADDRESS.fullmatch(email.strip()):
                counts["rejected"] += 1
            elif email.strip().lower() in seen:
                counts["skipped"] += 1
            else:
                seen.add(email.strip().lower())
                session.add(User(real_name=name.strip(), email=email.strip()))
                session.flush()
                counts["inserted"] += 1
                if each:
                    session.commit()
        session.commit()
    return counts


if __name__ == "__main__":
    began, before = time.perf_counter(), time.process_time()
    found = load(sys.argv[1], sys.argv[2], int(sys.argv[3]), each=sys.argv[4] == "each")
    seconds, cpu = time.perf_counter() - began, time.process_time() - before
    print(json.dumps({"seconds": seconds, "cpu": cpu, "counts": found}))
