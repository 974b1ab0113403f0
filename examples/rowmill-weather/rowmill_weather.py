"""How warm it was at each station, and which days were hot."""

import pandas as pd
from pydantic import Field

from consumer.kinds import Column, Kind, Params, Report
from consumer.parts.bars import bars
from consumer.parts.groups import Groups, merged


class WeatherParams(Params):
    hot: float = Field(30.0, title="Hot", description="A day is hot from so many degrees on.")


def columns(_params):
    return [Column("station"), Column("celsius", "number")]


def chunk(frame, params):
    celsius = frame["celsius"].to_numpy()
    return Groups.of("station", frame["station"], {"celsius": celsius, "hot": (celsius >= params.hot).astype(float)})


def finalize(total, _params):
    stations = pd.DataFrame(
        {
            "station": pd.Series(total.names, dtype="str"),
            "days": total.rows,
            "mean": total.means("celsius"),
            "hot_days": total.totals("hot").astype(int),
        }
    )
    days = int(total.rows.sum())
    return Report(numbers={"days": days, "stations": len(stations)}, tables={"stations": stations}, used=days)


def select(frame, _before, _total, params):
    return frame[frame["celsius"] >= params.hot]


def chart(report, _params):
    stations = report.tables["stations"]
    return bars("means", "Mean by station", stations["station"], stations["mean"], ("Station", "°C"))


def headline(numbers):
    hot = "" if numbers.get("hot") is None else f", {numbers['hot']} of them hot"
    return f"{numbers['days']} days at {numbers['stations']} stations{hot}."


KIND = Kind(
    title="Weather by station",
    params=WeatherParams,
    columns=columns,
    chunk=chunk,
    combine=merged,
    finalize=finalize,
    select=select,
    selected="hot",
    chart=chart,
    headline=headline,
)
