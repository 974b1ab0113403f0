"""The kind weather: a table worked by hand, and the laws that every kind obeys."""

from rowmill_weather import KIND, WeatherParams

from consumer.kinds.testing import check_laws, check_restarts, read, select

TABLE = "station,celsius\nOslo,21.5\nRome,34\nOslo,30\nRome,warm\n,20\nRome,36.1\n"


def test_a_table_comes_out_as_worked_by_hand():
    report = check_laws(KIND, TABLE)
    assert report.numbers == {"days": 4, "stations": 2}
    assert report.tables["stations"].values.tolist() == [["Oslo", 2, 25.75, 1], ["Rome", 2, 35.05, 2]]


def test_a_row_without_a_station_or_a_temperature_is_rejected():
    assert read(KIND, TABLE).rejects == [(5, "celsius: not_a_number"), (6, "station: missing")]


def test_what_is_hot_can_be_said():
    assert select(KIND, TABLE, WeatherParams(hot=35))["celsius"].tolist() == [36.1]


def test_it_makes_the_same_in_any_process():
    check_restarts("rowmill_weather:KIND", TABLE)
