"""The kind `sales` as one would write it for a task queue: one file, plain pandas, three tables written beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

NEEDED = ["revenue", "quantity", "discount"]


def analyse(path: str) -> dict[str, float]:
    table = pd.read_csv(path, dtype=str, keep_default_na=False).rename(columns=str.strip)
    text = table.apply(lambda column: column.str.strip())
    numbers = text[NEEDED].apply(pd.to_numeric, errors="coerce")
    good = np.isfinite(numbers).all(axis=1) & (text["region"] != "") & (numbers["quantity"] != 0)
    kept = text.assign(**{name: numbers[name] for name in NEEDED})[good]
    groups = kept.groupby("region")
    summary = groups.agg(
        revenue_sum=("revenue", "sum"),
        revenue_mean=("revenue", "mean"),
        quantity_sum=("quantity", "sum"),
        discount_mean=("discount", "mean"),
    ).reset_index()
    per_unit = kept["revenue"] / kept["quantity"]
    mean, std = per_unit.mean(), per_unit.std(ddof=1)
    odd = per_unit > mean + 2.0 * std
    folder = Path(path).parent
    summary.to_csv(folder / "summary.csv", index=False)
    text[good][odd].assign(revenue_per_unit=per_unit[odd]).to_csv(folder / "anomalies.csv", index=False)
    text[~good].to_csv(folder / "rejected.csv", index=False)
    return {"kept": int(good.sum()), "mean": float(mean), "std": float(std), "anomalies": int(odd.sum())}
