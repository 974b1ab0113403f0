"""The kind `sales` in DuckDB's SQL: two scans of the file, nothing held in memory, cells stripped as the rules say."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

NUMBERS = ("revenue", "quantity", "discount")
ROWS = """
create temp view judged as select *, _revenue / _quantity as revenue_per_unit, coalesce(
    region_ <> '' and isfinite(_revenue) and isfinite(_quantity) and isfinite(_discount) and _quantity <> 0
    and not contains(revenue, '_') and not contains(quantity, '_') and not contains(discount, '_'), false
) as good from (
    select *, trim(region) as region_, {numbers}
    from read_csv('{path}', header=true, all_varchar=true, delim=',', quote='"', escape='"')
)
"""  # 1_000 is a number for DuckDB, and none by the rules
NUMBER = "try_cast({0} as double) as _{0}"  # which passes over blanks
SUMMARY = """
create temp table summary as select region_, sum(_revenue) as revenue_sum, avg(_revenue) as revenue_mean,
    sum(_quantity) as quantity_sum, avg(_discount) as discount_mean, count(*) as n, avg(revenue_per_unit) as mean,
    var_pop(revenue_per_unit) as spread, good
from judged group by region_, good
"""
# The groups' deviations as one, by Chan's formula.
TOTAL = """
with whole as (select sum(n) as n, sum(n * mean) / sum(n) as mean from summary where good)
select whole.n, whole.mean, sqrt(sum(s.n * (s.spread + (s.mean - whole.mean) ** 2)) / (whole.n - 1)),
    (select sum(n) from summary where not good)
from summary s, whole where s.good group by whole.n, whole.mean
"""
REGIONS = """
copy (select region_ as region, revenue_sum, revenue_mean, quantity_sum, discount_mean
from summary where good order by region_) to '{folder}/summary.csv'
"""
ODD = """
copy (select * exclude (_revenue, _quantity, _discount, region_, good)
from judged where good and revenue_per_unit > {limit!r}) to '{folder}/anomalies.csv'
"""


def analyse(path: str) -> dict[str, float]:
    folder = Path(path).parent
    with duckdb.connect(config={"threads": len(os.sched_getaffinity(0))}) as db:
        db.execute(ROWS.format(numbers=", ".join(map(NUMBER.format, NUMBERS)), path=path))
        db.execute(SUMMARY)
        kept, mean, std, rejected = db.execute(TOTAL).fetchone() or (0, 0.0, 0.0, 0)
        db.execute(REGIONS.format(folder=folder))
        db.execute(ODD.format(limit=mean + 2 * std, folder=folder))
    return {"kept": int(kept), "rejected": int(rejected), "mean": mean, "std": std}
