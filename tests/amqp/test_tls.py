"""amqps://: the same conversation in TLS; a broker that cannot prove who it is gets no password."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from protocol import transports
from protocol.adapters import BadConfig
from protocol.messages import JOBS, RunJob
from protocol.transports import open_transport
from protocol.transports.amqp import topology
from tests.amqp.test_transport import published, take
from tests.rabbitmq import Node


@pytest.fixture
async def secured(tmp_path: Path, monkeypatch) -> AsyncIterator[str]:
    """The URL of a broker that speaks nothing but TLS; it trusts, and is trusted through, the authority in ca.pem."""
    monkeypatch.setattr(topology, "SETTLED", 0.0)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    files = {"cacertfile": "ca.pem", "certfile": "server.pem", "keyfile": "server.pem"}
    lines = [f"ssl_options.{name} = {tmp_path / file}" for name, file in files.items()]
    node = Node(tmp_path / "node", settings="\n".join([f"listeners.ssl.default = 127.0.0.1:{port}", *lines, ""]))
    node.start()
    try:
        await node.up()
        yield f"amqps://guest:guest@127.0.0.1:{port}/{node.fresh_host()}"
    finally:
        node.end()


async def test_a_job_travels_in_tls_and_only_where_the_broker_is_trusted(secured, tmp_path, new_job):
    trusting = f"{secured}?cafile={tmp_path / 'ca.pem'}"
    async with open_transport(trusting) as transport:
        await published(transport, RunJob(job=new_job()))
        delivery = await take(transport.subscribe(JOBS, prefetch=1))
        assert delivery.message.job.kind == new_job().kind
        await delivery.ack()
    assert "RabbitMQ" in (await found(trusting)).detail

    async with open_transport(secured) as transport:  # nobody here knows that authority
        assert await transport.ready() == "the broker does not answer: AMQPConnectionError"
    finding = await found(secured)
    assert "is not trusted" in finding.detail
    assert "cafile" in finding.advice


async def found(url: str) -> transports.Finding:
    return next(finding for finding in await transports.examine(url) if finding.part == "broker")


async def test_a_certificate_file_that_is_not_there_is_named_at_once(tmp_path):
    with pytest.raises(BadConfig, match=r"cafile=.* is no file"):
        async with open_transport(f"amqps://127.0.0.1/?cafile={tmp_path / 'none.pem'}"):
            pass
