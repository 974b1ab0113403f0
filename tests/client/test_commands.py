"""The command as people and scripts use it: a process of its own, against a server that really runs."""

from __future__ import annotations

import hashlib
import json
import signal
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from client_support import Server, ask, run, start

from tests import vectors

SALES = vectors.SALES.decode()
SUMMARY = "region,value_column\nNorth,10\nSouth,20\n"
NOBODY = "http://127.0.0.1:9"  # the discard port


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    path.write_text(SALES)
    return path


@pytest.fixture
def slow(tmp_path: Path) -> tuple[str | Path, ...]:
    """A job that runs until it is cancelled."""
    path = tmp_path / "slow.csv"
    path.write_text(SUMMARY)
    return ("submit", path, "--kind", "summary", "-p", "simulate_seconds=60")


def test_submit_prints_the_id_alone_and_leaves_the_job_to_run(server: Server, sales: Path, tmp_path: Path) -> None:
    ended = run("submit", sales, "--kind", "sales", "--server", server.url, cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert ask(f"{server.url}/v1/jobs/{ended.out.strip()}")["source"]["name"] == "sales.csv"


def test_submit_hands_over_everything_that_was_typed(server: Server, sales: Path, tmp_path: Path) -> None:
    words = ("-p", "sigma=1.5", "-p", "encoding=utf-8", "--email", "a@x.org", "--email", "b@x.org", "--priority", "low")
    job = run("submit", sales, "--kind", "sales", *words, "--json", "--server", server.url, cwd=tmp_path).json
    assert (job["kind"], job["priority"]) == ("sales", "low")
    assert job["params"] | {"sigma": 1.5, "encoding": "utf-8"} == job["params"]
    assert job["notify"]["email"] == ["a@x.org", "b@x.org"]
    assert job["source"]["sha256"] == hashlib.sha256(SALES.encode()).hexdigest()


def test_watch_shows_the_report_and_saves_the_files(server: Server, sales: Path, tmp_path: Path) -> None:
    ended = run(
        "submit", sales, "--kind", "sales", "--watch", "--out", "out/here", "--server", server.url, cwd=tmp_path
    )
    assert ended.code == 0, ended.err
    for text in (
        "22.8571",
        "East",
        "1,090",
        "10 rows read = 7 used + 3 rejected; rejected.csv",
        f"succeeded: {server.url}/jobs/",
    ):
        assert text in ended.out
    saved = {path.name for path in (tmp_path / "out" / "here").iterdir()}
    assert saved >= {"summary.csv", "anomalies.csv", "rejected.csv"}
    assert not [name for name in saved if name.endswith(".part")]
    assert (tmp_path / "out/here/summary.csv").read_text().splitlines()[1] == "East,1090,545,20,0.15"


def test_repair_and_append_make_new_jobs_with_the_whole_result(server: Server, sales: Path, tmp_path: Path) -> None:
    there = ("--wait", "--json", "--server", server.url)
    first = run("submit", sales, "--kind", "sales", *there, cwd=tmp_path).json
    fixed = tmp_path / "fixed.csv"
    fixed.write_text("region,product,revenue,quantity,discount,rejected_line\nWest,A,50,5,0.10,8\n")
    repaired = run("repair", first["id"], fixed, *there, cwd=tmp_path).json
    assert repaired["report"]["account"] == {"read": 10, "used": 8, "rejected": 2, "skipped": 0}
    words = (repaired["id"], "-", "-p", "delimiter=;", *there)
    more = run("append", *words, cwd=tmp_path, stdin=SALES.replace(",", ";")).json
    assert more["report"]["account"] == {"read": 20, "used": 15, "rejected": 5, "skipped": 0}
    assert (more["based_on"]["job"], more["based_on"]["name"]) == (repaired["id"], "sales.csv")


def test_rows_that_cannot_be_merged_are_refused_in_a_sentence(server: Server, sales: Path, tmp_path: Path) -> None:
    job = run("submit", sales, "--kind", "sales", "--wait", "--json", "--server", server.url, cwd=tmp_path).json
    ended = run("repair", job["id"], sales, "--server", server.url, cwd=tmp_path)
    assert (ended.code, ended.out) == (3, "")
    assert "rejected_line" in ended.err
    ended = run("append", "x", sales, "--server", server.url, cwd=tmp_path)
    assert (ended.code, ended.err) == (2, "x is no job id: that is 32 hexadecimal digits\n")


def test_wait_with_json_is_one_object_and_watch_with_json_a_line_for_each_version(
    server: Server, sales: Path, tmp_path: Path
) -> None:
    waited = run("submit", sales, "--kind", "sales", "--wait", "--json", "--server", server.url, cwd=tmp_path)
    assert (waited.code, waited.json["state"], waited.json["report"]["numbers"]["kept"]) == (0, "succeeded", 7)
    watched = run("submit", sales, "--kind", "sales", "--watch", "--json", "--server", server.url, cwd=tmp_path)
    versions = [job["version"] for job in watched.lines]
    assert versions == sorted(set(versions))
    assert watched.lines[-1]["state"] == "succeeded"
    again = run("watch", watched.lines[-1]["id"], "--json", "--server", server.url, cwd=tmp_path)
    assert (again.code, again.lines[-1]["report"]) == (0, watched.lines[-1]["report"])


def test_a_dash_reads_stdin(server: Server, tmp_path: Path) -> None:
    words = ("submit", "-", "--kind", "summary", "--wait", "--json", "--server", server.url)
    ended = run(*words, cwd=tmp_path, stdin=SUMMARY)
    assert (ended.code, ended.json["report"]["numbers"]["average"]) == (0, 15.0)


def test_watching_an_unfinished_job_ends_when_it_is_cancelled_with_its_own_exit_code(
    server: Server, slow: tuple[str, ...], tmp_path: Path
) -> None:
    job_id = run(*slow, "--server", server.url, cwd=tmp_path).out.strip()
    with ThreadPoolExecutor() as pool:
        watching = pool.submit(run, "watch", job_id, "--server", server.url, cwd=tmp_path)
        server.until(lambda: ask(f"{server.url}/v1/jobs/{job_id}")["state"] == "running")
        ask(f"{server.url}/v1/jobs/{job_id}/cancel", method="POST")
        ended = watching.result()
    assert ended.code == 5, ended.err
    assert "cancelled" in ended.out


def test_ctrl_c_leaves_with_130_and_says_how_to_watch_on(server: Server, slow: tuple[str, ...], tmp_path: Path) -> None:
    watching = start(*map(str, slow), "--watch", "--json", "--server", server.url, cwd=tmp_path)
    assert watching.stdout
    job_id = json.loads(watching.stdout.readline())["id"]
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=30)
    assert watching.returncode == 130
    assert f"rowmill watch {job_id}" in err
    assert "Traceback" not in err
    ask(f"{server.url}/v1/jobs/{job_id}/cancel", method="POST")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives jobs a second, takes a megabyte, and wants a key."""
    settings = {"JOB_TIMEOUT": "1", "MAX_ATTEMPTS": "1", "MAX_UPLOAD": "1MB", "API_KEYS": "sesame"}
    with closing(Server(tmp_path_factory.mktemp("strict"), **settings)) as running:
        yield running


@pytest.fixture
def keyed(strict: Server, tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "key").write_text("sesame\n")
    return ("--server", strict.url, "--key-file", "key")


def test_a_failed_job_ends_with_1_and_its_problem(
    keyed: tuple[str, ...], slow: tuple[str | Path, ...], tmp_path: Path
) -> None:
    ended = run(*slow, "--watch", *keyed, cwd=tmp_path)
    assert ended.code == 1, ended.err
    assert "failed: http://" in ended.out
    assert "JOB_TIMEOUT" in ended.out


def test_a_table_that_is_too_large_is_refused(keyed: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "large.csv").write_text(SUMMARY + "North,1\n" * 5_000_000)
    ended = run("submit", "large.csv", "--kind", "summary", *keyed, cwd=tmp_path)
    assert ended.code == 3, ended.err
    assert "too large" in ended.err


def test_without_its_key_a_server_refuses_and_the_command_says_how_to_give_it(strict: Server, tmp_path: Path) -> None:
    ended = run("kinds", "--server", strict.url, cwd=tmp_path)
    assert ended.code == 3
    assert "--key-file FILE" in ended.err


def test_the_environment_may_name_the_server_and_the_key(strict: Server, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sesame")
    assert run("kinds", "--json", cwd=tmp_path, SERVER=strict.url, KEY_FILE=str(tmp_path / "key")).code == 0


def test_a_refusal_ends_with_3_and_names_every_fault(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("region,price\nEast,1\n")
    ended = run("submit", path, "--kind", "sales", "--watch", "--server", server.url, cwd=tmp_path)
    assert ended.code == 3
    assert all(name in ended.err for name in ("revenue", "quantity", "discount"))
    assert "Traceback" not in ended.err
    assert ended.out == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("watch", "0" * 32), 3, "There is no"),
        (("watch", "42"), 2, "42"),
        (("submit", "nowhere.csv"), 2, "nowhere.csv"),
        (("submit", ".", "--kind", "sales"), 2, "is no file"),
        (("submit", "sales.csv", "-p", "sigma"), 2, "name=value"),
        (("submit", "sales.csv", "--out", "sales.csv"), 2, "File exists"),
        (("submit", "sales.csv", "--key-file", "nowhere"), 2, "nowhere"),
        (("submit", "sales.csv", "--kind", "nonsense"), 3, "nonsense"),
        (("submit", "sales.csv", "--kind", "sales", "-p", "sigma=x", "-p", "other=1"), 3, "other"),
        (("submit", "sales.csv", "--priority", "urgent"), 2, "urgent"),
        (("frobnicate",), 2, "frobnicate"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(  # noqa: PLR0917 - a row of the table, and where it happens
    words: tuple[str, ...], code: int, said: str, server: Server, sales: Path, tmp_path: Path
) -> None:
    ended = run(*words, *(("--server", server.url) if words[0] != "frobnicate" else ()), cwd=tmp_path)
    assert (ended.code, ended.out) == (code, ""), ended.err
    assert said in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("held", [b"\xff\xfek\x00e\x00y\x00", b"one\ntwo\n", b"one\x00"])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, held: bytes) -> None:
    (tmp_path / "my.key").write_bytes(held)
    for words in (["kinds"], ["keys", "list"]):
        ended = run(*words, "--server", NOBODY, "--key-file", "my.key", cwd=tmp_path)
        assert (ended.code, ended.err) == (2, "my.key holds no key: that is one line of text.\n")


@pytest.mark.parametrize("server", ["ftp://x", "http://[", "http://", "http://x:99999"])
def test_what_can_be_no_server_is_wrong_usage(tmp_path: Path, server: str) -> None:
    for words in (["kinds"], ["prune", "--dry-run", "--older-than", "1d"]):
        ended = run(*words, "--server", server, cwd=tmp_path)
        assert (ended.code, ended.err.strip()) == (
            2,
            f"{server!r} is no address of a server, such as http://127.0.0.1:8080.",
        )


@pytest.mark.parametrize("words", [("kinds",), ("watch", "0" * 32), ("submit", "sales.csv")])
def test_no_server_ends_with_4_and_names_it(words: tuple[str, ...], sales: Path, tmp_path: Path) -> None:
    ended = run(*words, "--server", NOBODY, cwd=tmp_path)
    assert ended.code == 4
    assert NOBODY in ended.err
    assert len(ended.err.splitlines()) == 1


def test_an_address_where_no_tls_is_spoken_is_said_to_be_one(server: Server, tmp_path: Path) -> None:
    ended = run("kinds", "--server", server.url.replace("http:", "https:"), cwd=tmp_path)
    assert (ended.code, "does it speak http:// there?" in ended.err) == (4, True)


class Stranger(BaseHTTPRequestHandler):
    """Some other web server."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>Hello</h1>")

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def stranger() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as other, ThreadPoolExecutor() as pool:
        pool.submit(other.serve_forever)
        yield f"http://127.0.0.1:{other.server_port}"
        other.shutdown()


def test_another_web_server_is_recognised_as_none_of_ours(stranger: str, tmp_path: Path) -> None:
    ended = run("kinds", "--server", stranger, cwd=tmp_path)
    assert ended.code == 4
    assert "not a Rowmill server" in ended.err


def test_a_server_whose_certificate_is_not_trusted_is_said_to_be_one(tmp_path: Path) -> None:
    secrets = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(secrets)
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as other, ThreadPoolExecutor() as pool:
        other.socket = secrets.wrap_socket(other.socket, server_side=True)
        pool.submit(other.serve_forever)
        try:
            ended = run("kinds", "--server", f"https://127.0.0.1:{other.server_port}", cwd=tmp_path)
        finally:
            other.shutdown()
    assert (ended.code, "its certificate is not trusted" in ended.err) == (4, True)


def test_kinds_lists_them_for_people_and_for_programs(server: Server, tmp_path: Path) -> None:
    shown = run("kinds", "--server", server.url, cwd=tmp_path)
    assert "revenue (number)" in shown.out
    assert "sigma=2" in shown.out
    assert {kind["name"] for kind in run("kinds", "--json", "--server", server.url, cwd=tmp_path).json} >= {
        "sales",
        "summary",
    }


def test_help_documents_the_exit_codes(tmp_path: Path) -> None:
    shown = run("--help", cwd=tmp_path)
    assert shown.code == 0
    for text in ("0 succeeded", "1 the job failed", "3 refused", "5 the job was cancelled", "130 interrupted"):
        assert text in shown.out
