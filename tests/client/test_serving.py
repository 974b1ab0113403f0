"""`rowmill up` and `rowmill demo` from start to stop."""

from __future__ import annotations

import json
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from client_support import DEADLINE, Server, ask, run, start, terminal


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Server]:
    with closing(Server(folder, **settings)) as server:
        yield server


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_stops_when_asked_with_0_and_leaves_no_process(number: signal.Signals, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        family = psutil.Process(server.process.pid).children(recursive=True)
        assert family
        assert server.stop(number) == 0
        gone, alive = psutil.wait_procs(family, timeout=10)
        assert (len(gone), alive) == (len(family), [])


def test_asking_twice_does_not_wait_for_what_runs(tmp_path: Path) -> None:
    table = tmp_path / "slow.csv"
    table.write_text("region,value_column\nNorth,10\n")
    with serving(tmp_path, GRACE="300") as server:
        words = ("submit", table, "--kind", "summary", "-p", "simulate_seconds=300", "--server", server.url)
        job_id = run(*words, cwd=tmp_path).out.strip()
        server.until(lambda: ask(f"{server.url}/v1/jobs/{job_id}")["state"] == "running")
        family = psutil.Process(server.process.pid).children(recursive=True)
        server.process.send_signal(signal.SIGINT)
        server.line("stopping")
        assert server.stop(signal.SIGINT) == 130
        assert psutil.wait_procs(family, timeout=10)[1] == []


def test_a_watcher_outlives_a_server_that_is_killed_and_started_again(tmp_path: Path, taken_port: int) -> None:
    table = tmp_path / "slow.csv"
    table.write_text("region,value_column\nNorth,10\n")
    with serving(tmp_path, PORT=str(taken_port)) as first:
        words = ("submit", table, "--kind", "summary", "-p", "simulate_seconds=300", "--watch", "--json")
        watching = start(*map(str, words), "--server", first.url, cwd=tmp_path)
        assert watching.stdout
        job_id = json.loads(watching.stdout.readline())["id"]
        first.kill()
        with serving(tmp_path, PORT=str(taken_port)) as second:
            ask(f"{second.url}/v1/jobs/{job_id}/cancel", method="POST")
            out, err = watching.communicate(timeout=DEADLINE)
    assert (watching.returncode, "Traceback" in err) == (5, False), err
    assert json.loads(out.splitlines()[-1])["state"] == "cancelled"


@pytest.fixture
def taken_port() -> int:
    """Free now, and known before the server starts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_port_in_use_is_said_in_a_sentence(taken: int, tmp_path: Path) -> None:
    ended = run("up", "--port", str(taken), cwd=tmp_path)
    assert (ended.code, str(taken) in ended.err, "Traceback" in ended.err) == (2, True, False), ended.err


def test_two_servers_do_not_share_a_data_folder(tmp_path: Path) -> None:
    with serving(tmp_path):
        ended = run("up", "--port", "0", cwd=tmp_path, DATA_DIR=str(tmp_path / "data"))
    assert (ended.code, "Traceback" in ended.err) == (2, False), ended.err
    assert "in use by another process" in ended.err


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"WORKERS": "many"}, "ROWMILL_WORKERS"),
        ({"PORT": "99999", "MAX_UPLOAD": "-1"}, "ROWMILL_MAX_UPLOAD"),
        ({"HOST": "0.0.0.0"}, "API_KEYS"),
        ({"WROKERS": "2"}, "ROWMILL_WROKERS"),
        ({"BROKER_URL": "smoke://signals"}, "smoke://"),
        ({"MAIL_FROM": "nobody"}, "ROWMILL_MAIL_FROM"),
        ({"SMTP_URL": "smtp://host?starttls=maybe"}, "ROWMILL_SMTP_URL"),
    ],
)
def test_a_bad_setting_names_itself(settings: dict[str, str], named: str, tmp_path: Path) -> None:
    ended = run("up", cwd=tmp_path, **settings)
    assert (ended.code, "Traceback" in ended.err) == (2, False), ended.err
    assert named in ended.err
    assert "ready" not in ended.err


@pytest.mark.parametrize("side", ["service", "consumer"])
def test_one_side_alone_wants_a_broker(side: str, tmp_path: Path) -> None:
    ended = run(side, cwd=tmp_path)
    assert ended.code == 2
    assert "ROWMILL_BROKER_URL" in ended.err
    assert "rowmill up" in ended.err


def test_the_demo_shows_the_report_the_mail_and_the_page_and_ends_with_0(tmp_path: Path) -> None:
    ended = run("demo", cwd=tmp_path)  # without a terminal it leaves by itself
    assert ended.code == 0, ended.err
    assert "East" in ended.out
    assert re.search(r"succeeded: http://127\.0\.0\.1:\d+/jobs/[0-9a-f]{32}", ended.out)
    [mail] = re.findall(r"The mail was written to (\S+\.eml)", ended.out)
    assert Path(mail).is_relative_to(tmp_path / "rowmill-data")
    assert "Subject:" in Path(mail).read_text()


def test_the_demo_takes_the_next_port_where_its_own_is_taken(taken: int, tmp_path: Path) -> None:
    ended = run("demo", cwd=tmp_path, PORT=str(taken))
    assert ended.code == 0, ended.err
    assert f":{taken}/" not in ended.out


def test_in_a_terminal_the_demo_draws_its_progress_and_serves_on_until_ctrl_c(tmp_path: Path) -> None:
    with terminal("demo", cwd=tmp_path) as demo:
        seen = demo.read_until("serves on until Ctrl-C")
        [url] = set(re.findall(r"http://127\.0\.0\.1:\d+", seen))
        assert "100%" in seen
        assert ask(f"{url}/v1/jobs")["jobs"][0]["state"] == "succeeded"
        demo.type("\x03")
        assert demo.wait() == 0
