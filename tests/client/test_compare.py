"""The command compare, as people run it: with the real engine, in the folder of whoever asks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from client_support import run, terminal
from plugins import GOOD, TELLING, install

PATIENT = 200.0  # seconds: every way loads pandas anew
TABLE = "region,value_column\n" + "North,10\nSouth,20\nWest,x\n" * 200
COUNTING_CHUNKS = GOOD.replace("return len(frame)", "return 1").replace(", used=total", "")
STUCK = GOOD.replace(
    "    return len", "    __import__('time').sleep(600 * (frame.attrs.get('share', 1) WHOLE))\n    return len"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a table."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "t.csv").write_text(TABLE)
    return tmp_path / "here"


@pytest.fixture
def left(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """What is still there where temporary files go, and beside the table. Sockets are among them: a short name."""
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # a kind's module lies there too
        yield lambda: ([path.name for path in Path(name).iterdir()], sorted(path.name for path in folder.iterdir()))


def test_each_way_is_timed_and_weighed_the_results_are_equal_and_nothing_is_left(folder, left) -> None:
    words = ("compare", "t.csv", "-k", "summary", "--json")
    ended = run(*words, cwd=folder, within=PATIENT, WORKERS="2", CHUNK_SIZE="1000", DATA_DIR=str(folder / "data"))
    assert ended.code == 0, ended.err
    assert ended.json["equal"] is True
    assert ended.json["differences"] == []
    assert [lap["way"] for lap in ended.json["laps"]] == [
        "one process, whole file",
        "the pool, 1 slot",
        "the pool, 2 slots",
    ]
    for lap in ended.json["laps"]:
        assert lap["seconds"] > 0
        assert lap["peak_bytes"] > 50 * 2**20
        assert lap["rows"] == 600
        assert lap["report"]["numbers"]["total_rows"] == 600
        assert lap["report"]["numbers"]["rejected"] == 200
        assert f"{lap['way']}:" in ended.err
    assert ended.err.count("succeeded") == 3
    assert left() == ([], ["t.csv"])


@pytest.mark.usefixtures("left")
def test_compiled_code_that_is_switched_off_is_used_in_no_way(folder) -> None:
    install(folder, "tells", {"tells": "tells:KIND"}, tells=TELLING)
    (folder / "t.csv").write_text("n\n1\n2\n")
    ended = run("compare", "t.csv", "-k", "tells", "--json", cwd=folder, within=PATIENT, WORKERS="1", NATIVE="no")
    assert [lap["report"]["numbers"]["compiled"] for lap in ended.json["laps"]] == [0, 0], ended.err


@pytest.mark.usefixtures("left")
def test_a_kind_whose_result_depends_on_the_cutting_is_told_apart_and_fails(folder) -> None:
    install(folder, "bad", {"pieces": "pieces:KIND"}, pieces=COUNTING_CHUNKS)
    (folder / "t.csv").write_text("n\n1\n2\n3\n4\n")
    ended = run("compare", "t.csv", "-k", "pieces", cwd=folder, within=PATIENT, WORKERS="1", CHUNK_SIZE="4")
    assert ended.code == 1, ended.err
    assert "the report of the pool, 1 slot differs from that of one process, whole file" in ended.out
    rows = [line for line in ended.out.splitlines() if line.startswith("│")]
    assert [("the pool, 1 slot" in row, "NOT EQUAL" in row) for row in rows] == [(False, False), (True, True)]


def test_what_is_wrong_with_the_job_is_said_once_and_no_other_way_is_tried(folder, left) -> None:
    ended = run("compare", "t.csv", "--kind", "sales", "--json", cwd=folder, within=PATIENT)
    assert (ended.code, len(ended.json["laps"])) == (1, 1)
    assert "'revenue' is missing" in ended.json["problem"]["detail"]
    assert ended.err.count("'revenue' is missing") == 1
    assert "Traceback" not in ended.err
    assert left() == ([], ["t.csv"])


def test_errands_are_not_run_for_a_comparison(folder, left) -> None:
    (folder / "t.csv").write_text("email,subject,message\na@example.org,Hello,There\n")
    ended = run("compare", "t.csv", "--kind", "mailing", cwd=folder, within=PATIENT)
    assert (ended.code, "runs errands" in ended.err) == (1, True), ended.err
    assert "running errands" not in ended.err
    assert left() == ([], ["t.csv"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere.csv",), "nowhere.csv is no file"),
        (("-",), "stdin can be read only once"),
        (("t.csv", "-p", "sigma"), "sigma"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(folder, words, said) -> None:
    ended = run("compare", *words, cwd=folder)
    assert (ended.code, said in ended.err) == (2, True), ended.err


@pytest.mark.parametrize(("way", "stuck"), [("one process", "== 1"), ("the pool, 1 slot", "< 1")])
def test_ctrl_c_ends_it_and_leaves_nothing(folder, left, way, stuck) -> None:
    install(folder, "slow", {"stuck": "stuck:KIND"}, stuck=STUCK.replace("WHOLE", stuck))
    (folder / "t.csv").write_text("n\n1\n2\n3\n4\n")
    there = left()
    with terminal("compare", "t.csv", "-k", "stuck", cwd=folder, WORKERS="1", CHUNK_SIZE="4") as screen:
        screen.read_until(way)
        screen.read_until("reading")
        screen.type("\x03")
        screen.read_until("Interrupted.")
        assert screen.wait() == 130
    assert left() == there
