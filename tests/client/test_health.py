"""`rowmill health`, as whoever restarts what is dead asks it."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import closing
from pathlib import Path

from client_support import Ended, Server, run


def ask_health(folder: Path) -> Ended:
    ended = run("health", cwd=folder, DATA_DIR=str(folder / "data"))
    assert "Traceback" not in ended.err
    return ended


def test_who_serves_is_healthy_while_it_moves_and_no_longer(tmp_path: Path) -> None:
    with closing(Server(tmp_path)) as server:
        healthy = ask_health(tmp_path)
        assert (healthy.code, healthy.out.strip()) == (0, f"alive at {server.url}")
        server.process.send_signal(signal.SIGSTOP)
        os.utime(tmp_path / "data" / "rowmill.pulse", (0, 0))  # as if it had stood still for long
        hanging = ask_health(tmp_path)
        server.process.send_signal(signal.SIGCONT)
        assert (hanging.code, "has not moved" in hanging.err) == (4, True)
        server.until(lambda: ask_health(tmp_path).code == 0)
        assert server.stop() == 0
    assert ask_health(tmp_path).code == 4


def test_who_moves_but_does_not_answer_is_not_healthy(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        (tmp_path / "data" / "rowmill.pulse").write_text(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        ended = ask_health(tmp_path)
    assert (ended.code, "does not answer" in ended.err) == (4, True)


def test_who_serves_nobody_is_healthy_while_it_moves(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rowmill.pulse").write_text("")
    assert (ask_health(tmp_path).code, ask_health(tmp_path).out.strip()) == (0, "alive")
