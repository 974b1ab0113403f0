"""A RabbitMQ node of the tests' own: private name, ports, folders and port mapper; killed and restarted at will.

Each test gets a virtual host of its own, so that one node serves them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aio_pika

from tests.leash import Leash

FOLDERS = (Path("/usr/lib/rabbitmq/bin"), Path("/opt/homebrew/opt/rabbitmq/sbin"), Path("/usr/local/opt/rabbitmq/sbin"))
# Beside guest: one who may do nothing, one who may not take, one who may do what `rowmill doctor` advises to grant, and
# another service, which has what the README gives it.
RIGHTS = {
    "poor": ("^$", "^$", "^$"),
    "deaf": ("^rowmill", r"^(rowmill|amq\.default)", "^$"),
    "lean": ("^rowmill", r"^(rowmill|amq\.default)", "^rowmill"),
    "other": (r"^amq\.gen", r"^(rowmill|amq\.gen.*)$", r"^(rowmill\.events|amq\.gen.*)$"),
}
SUBMITTING = r"^job\.submit$"  # all keys under which that one may publish
HOSTS = 90  # virtual hosts that are there from the start
TICK = "[{rabbit, [{channel_tick_interval, 1000}]}]."  # so that consumer_timeout is looked at every second
DEADLINE = 180.0
# With the 1,024 that a shell allows a node takes no more connections after 50 virtual hosts, and does not say so.
MANY_FILES = 'ulimit -Sn 8192 2>/dev/null || ulimit -Sn "$(ulimit -Hn)"; exec "$0"'


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _script(name: str) -> str:
    """The server's own script: the wrapper in the system's path would change the user."""
    for folder in FOLDERS:
        if (folder / name).exists():
            return str(folder / name)
    found = shutil.which(name)
    assert found, "the tests need a RabbitMQ server: `make test` installs one"
    return found


@dataclass
class Node:
    folder: Path
    leash: Leash = field(default_factory=Leash)
    settings: str = "consumer_timeout = 20000\n"
    name: str = field(default_factory=lambda: f"rowmill-{secrets.token_hex(4)}@localhost")
    ports: list[int] = field(default_factory=lambda: _free_ports(3))
    process: subprocess.Popen[bytes] | None = None
    mapper: subprocess.Popen[bytes] | None = None
    complete: bool = False  # all virtual hosts and users are there, and stay through every kill
    _hosts: Iterator[int] = field(default_factory=lambda: iter(range(HOSTS)))

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def url(self) -> str:
        """The default virtual host."""
        return self.at("")

    def at(self, host: str) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{host}"

    def fresh_host(self) -> str:
        """The name of a virtual host that nobody has used."""
        return f"test{next(self._hosts)}"

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "NODENAME": self.name,
            "MNESIA_BASE": str(self.folder / "data"),
            "LOG_BASE": str(self.folder / "log"),
            "NODE_IP_ADDRESS": "127.0.0.1",
            "NODE_PORT": str(self.ports[0]),
            "DIST_PORT": str(self.ports[1]),
            "PID_FILE": str(self.folder / "pid"),
            "ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
        }
        erlang = {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(self.ports[2]), "ERL_MAX_PORTS": "4096"}
        direct = {"RUNNING_UNDER_SYSTEMD": "true", "HOME": str(self.folder)}  # the script becomes the server
        return os.environ | erlang | direct | {f"RABBITMQ_{key}": own[key] for key in own}

    def _write_settings(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        hosts = ["/", *(f"test{number}" for number in range(HOSTS))]
        users = {"guest": (".*", ".*", ".*")} | RIGHTS
        definitions = {
            "users": [{"name": user, "password": user, "tags": "administrator"} for user in users],
            "vhosts": [{"name": host} for host in hosts],
            "permissions": [
                {"vhost": host, "user": user, "configure": configure, "write": write, "read": read}
                for host in hosts
                for user, (configure, write, read) in users.items()
            ],
        }
        (self.folder / "definitions.json").write_text(json.dumps(definitions))
        (self.folder / "plugins").write_text("[].")
        (self.folder / "advanced.config").write_text(TICK)
        load = "" if self.complete else f"load_definitions = {self.folder}/definitions.json\n"
        lines = f"loopback_users = none\n{load}{self.settings}"
        (self.folder / "rabbitmq.conf").write_text(lines)

    def start(self) -> None:
        """Start it, as often as it was killed, and do not wait."""
        self._write_settings()
        with (self.folder / "out").open("ab") as out:
            run = {"env": self.environment, "stdout": out, "stderr": out, "start_new_session": True}
            if self.mapper is None:
                self.mapper = subprocess.Popen(["epmd"], **run)
                self.leash.hold(self.mapper.pid)
            self.process = subprocess.Popen(["sh", "-c", MANY_FILES, _script("rabbitmq-server")], **run)
            self.leash.hold(self.process.pid)

    async def up(self) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(DEADLINE):
            while not await self.answers():
                assert self.process, "not started"
                assert self.process.poll() is None, (self.folder / "out").read_text()[-2000:]
                await asyncio.sleep(0.1)
        self.complete = True

    async def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port)):
                pass
            async with await aio_pika.connect(self.at(f"test{HOSTS - 1}"), timeout=5):
                return True
        except (aio_pika.exceptions.AMQPError, OSError):
            return False

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL, as the kernel does it when memory runs out."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.leash.release(self.process.pid)

    def end(self) -> None:
        self.kill()
        if self.mapper is not None:
            self.mapper.kill()
            self.mapper.wait()
            self.leash.release(self.mapper.pid)
        self.leash.close()

    async def control(self, *arguments: str) -> str:
        """rabbitmqctl against this node; takes a second or two."""
        process = await asyncio.create_subprocess_exec(
            _script("rabbitmqctl"), "-n", self.name, *arguments, env=self.environment, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()
        return out.decode()
