"""The wire: what is encoded comes back the same, and what is not ours is refused without a crash."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import messages
from protocol.envelopes import decode, encode
from protocol.job import (
    Artefact,
    Chart,
    Fault,
    Finding,
    Job,
    LogEntry,
    Mail,
    Notify,
    Priority,
    Problem,
    Progress,
    Report,
    Source,
    State,
    Table,
)
from protocol.kinds import KindInfo, NeededColumn
from protocol.messages import (
    BadMessage,
    CancelJob,
    ConsumerReady,
    ForgetJob,
    JobChanged,
    Message,
    PruneJob,
    RetryJob,
    RunJob,
)

AT = datetime(2026, 3, 1, tzinfo=UTC)
COMMANDS = (RunJob, RetryJob, CancelJob, ForgetJob, PruneJob)

# Everything that can be UTF-8: control characters, NUL, other planes; only halves of surrogate pairs cannot.
text = st.text(st.characters(codec="utf-8"), max_size=8)
whole = st.integers(0, 2**53)
real = st.floats(allow_nan=False, allow_infinity=False)
moment = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | real | text
value = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3))
mapping = st.dictionaries(text, value, max_size=3)


def some(what: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(what, max_size=2).map(tuple)


faults = st.builds(Fault, code=text, detail=text, pointer=st.none() | text, line=st.none() | whole, column=text)
tables = st.builds(Table, name=text, columns=some(text), rows=some(some(plain)), truncated=st.booleans())
reports = st.builds(
    Report,
    headline=text,
    numbers=mapping,
    tables=some(tables),
    charts=some(st.builds(Chart, name=text, spec=mapping)),
    share=st.floats(0, 1),
    final=st.booleans(),
)
jobs = st.builds(
    Job,
    id=text,
    kind=text,
    state=st.sampled_from(State),
    version=whole,
    attempt=whole,
    params=mapping,
    source=st.builds(Source, name=text, size=whole, sha256=text, media_type=text),
    priority=st.sampled_from(Priority),
    progress=st.builds(Progress, phase=text, rows_per_second=st.none() | real, eta_seconds=st.none() | real),
    report=st.none() | reports,
    artefacts=some(st.builds(Artefact, name=text, media_type=text, size=whole, sha256=text, url=text)),
    problem=st.none() | st.builds(Problem, type=text, title=text, status=whole, detail=text, errors=some(faults)),
    notify=st.builds(Notify, email=some(text)),
    mail=some(st.builds(Mail, to=text, state=text, detail=st.none() | text)),
    submitted_by=st.none() | text,
    created_at=moment,
    started_at=st.none() | moment,
    findings=some(st.builds(Finding, what=text, value=text, why=text)),
    log=some(st.builds(LogEntry, version=whole, at=moment, state=st.sampled_from(State), attempt=whole, reason=text)),
)
columns = st.builds(NeededColumn, name=text, type=text, required=st.booleans(), param=st.none() | text)
infos = st.builds(KindInfo, name=text, title=text, description=text, params=mapping, columns=some(columns))
any_message = st.one_of(
    *(st.builds(kind, job=jobs) for kind in (*COMMANDS, JobChanged)),
    st.builds(ConsumerReady, consumer=text, kinds=some(infos)),
)


def strictly(data: bytes) -> Any:
    """Parse as JSON proper, which has no NaN."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is on the wire")

    return json.loads(data, parse_constant=refuse)


@settings(max_examples=40)
@given(any_message)
def test_every_message_comes_back_as_it_was_sent(message: Message) -> None:
    assert decode(encode(message)) == message


@settings(max_examples=40)
@given(any_message)
def test_what_is_sent_is_a_cloudevent_in_json_proper(message: Message) -> None:
    event = strictly(encode(message, at=AT))
    subject = message.consumer if isinstance(message, ConsumerReady) else message.job.id
    version = 0 if isinstance(message, ConsumerReady) else message.job.version
    head = {name: event[name] for name in event if name != "data"}
    assert head == {
        "specversion": "1.0",
        "id": f"{subject}.{version}",
        "source": "/rowmill",
        "type": messages.type_of(message),
        "subject": subject,
        "time": "2026-03-01T00:00:00+00:00",
        "datacontenttype": "application/json",
    }


NOT_A_NUMBER = (math.nan, math.inf, -math.inf)


@pytest.mark.parametrize("strange", NOT_A_NUMBER)
def test_what_is_no_number_is_null_on_the_wire_wherever_it_is(new_job: Callable[..., Job], strange: float) -> None:
    job = new_job(
        params={"deep": [{"x": strange}]},
        progress=Progress(rows_per_second=strange),
        report=Report(
            headline="h",
            numbers={"x": strange},
            tables=(Table(name="t", columns=("x",), rows=((strange,),)),),
            charts=(Chart(name="c", spec={"data": {"values": [{"x": strange}]}}),),
            share=strange,
        ),
    )
    data = strictly(encode(JobChanged(job=job)))["data"]
    assert data["params"] == {"deep": [{"x": None}]}
    assert data["progress"]["rows_per_second"] is None
    assert data["report"]["numbers"] == {"x": None}
    assert data["report"]["tables"][0]["rows"] == [[None]]
    assert data["report"]["charts"][0]["spec"] == {"data": {"values": [{"x": None}]}}
    assert data["report"]["share"] is None


@given(st.binary(max_size=200) | text.map(str.encode) | value.map(json.dumps).map(str.encode))
def test_garbage_is_a_bad_message(data: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(data)


DEEP = b'{"specversion":"1.0","type":"rowmill.job.run.v1","data":{"a":' + b"[" * 200_000
HALF = b'{"specversion":"1.0","type":"rowmill.consumer.ready.v1","data":{"kinds":[],"consumer":"\\ud800"}}'


@pytest.mark.parametrize("data", [DEEP, HALF, b"", b"[" * 200_000, b"9" * 5000, b"NaN"], ids=range(6))
def test_what_breaks_parsers_is_a_bad_message(data: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(data)


@settings(max_examples=40)
@given(any_message, st.data())
def test_a_message_that_was_damaged_comes_out_whole_or_is_a_bad_message(message: Message, data: st.DataObject) -> None:
    sent = bytearray(encode(message))
    place = data.draw(st.integers(0, len(sent) - 1))
    sent[place] ^= data.draw(st.integers(1, 255))
    with suppress(BadMessage):
        assert isinstance(decode(bytes(sent)), Message)


def changed(message: Message, **changes: Any) -> bytes:
    return json.dumps(json.loads(encode(message)) | changes).encode()


FOREIGN = (
    {"type": "rowmill.job.run.v2"},
    {"type": "rowmill.job.explode.v1"},
    {"type": "com.github.push"},
    {"type": None},
    {"type": ["rowmill.job.run.v1"]},
    {"specversion": "0.3"},
    {"specversion": None},
    {"data": None},
    {"data": "text"},
    {"data": {}},
    {"data": []},
)


@pytest.mark.parametrize("changes", FOREIGN, ids=str)
def test_another_type_version_or_shape_is_a_bad_message(new_job: Callable[..., Job], changes: dict[str, Any]) -> None:
    message = RunJob(job=new_job())
    assert decode(changed(message)) == message
    with pytest.raises(BadMessage):
        decode(changed(message, **changes))


@pytest.mark.parametrize("name", ["type", "data", "specversion"])
def test_an_envelope_without_what_it_needs_is_a_bad_message(new_job: Callable[..., Job], name: str) -> None:
    event = json.loads(encode(RunJob(job=new_job())))
    del event[name]
    with pytest.raises(BadMessage):
        decode(json.dumps(event).encode())


def test_what_a_newer_sender_adds_is_passed_over(new_job: Callable[..., Job]) -> None:
    message = RunJob(job=new_job())
    event = json.loads(encode(message)) | {"traceparent": "00-1"}
    event["data"]["invented_later"] = 1
    assert decode(json.dumps(event).encode()) == message


@settings(max_examples=25)
@given(jobs)
def test_a_job_that_was_received_is_passed_on_as_it_was_spelled(job: Job) -> None:
    received = decode(encode(JobChanged(job=job)))
    assert isinstance(received, JobChanged)
    assert received.job.text == job.text


def test_a_job_that_is_not_spelled_as_ours_is_spelled_anew(new_job: Callable[..., Job]) -> None:
    job = new_job(report=Report(headline="x", share=0.5))
    older, no_json = (json.loads(encode(JobChanged(job=job))) for _ in range(2))
    del older["data"]["traceparent"]
    no_json["data"]["report"]["share"] = math.nan
    in_lines = encode(JobChanged(job=job)).replace(b'"data": {', b'"data": {\n')
    for body, share in ((json.dumps(older).encode(), 0.5), (json.dumps(no_json).encode(), None), (in_lines, 0.5)):
        received = decode(body)
        assert isinstance(received, JobChanged)
        said = json.loads(received.job.text)
        assert (said.keys(), said["report"]["share"]) == (json.loads(job.text).keys(), share)
        assert "\n" not in received.job.text


def test_an_envelope_may_come_in_any_order_and_end_as_it_likes(new_job: Callable[..., Job]) -> None:
    message = RunJob(job=new_job(params={"x": {"data": {"specversion": "1.0"}}}))
    event = json.loads(encode(message))
    first = {"more": {"a": 1, "data": 2}, "data": event.pop("data"), **event}
    for body in (json.dumps(first), json.dumps(first, indent=1), encode(message).decode() + "\n"):
        assert decode(body.encode()) == message
    for body in (encode(message)[:-1], encode(message)[:-1] + b"]", encode(message) + b"}"):
        with pytest.raises(BadMessage):
            decode(body)


@pytest.mark.parametrize("state", State)
def test_a_change_is_named_after_the_state_that_the_job_moved_to(new_job: Callable[..., Job], state: State) -> None:
    moved_from = {State.QUEUED: State.FAILED, State.WAITING: State.RUNNING}.get(state, State.RUNNING)
    job = new_job(state=moved_from, version=3).move(state, at=AT, reason="x")
    assert messages.type_of(JobChanged(job=job)) == f"rowmill.job.{state}.v1"


def test_a_change_that_is_no_move_is_progress_until_the_job_has_ended(new_job: Callable[..., Job]) -> None:
    running = new_job().move(State.RUNNING, at=AT, reason="x")
    done = running.move(State.SUCCEEDED, at=AT, reason="x")
    assert messages.type_of(JobChanged(job=new_job())) == "rowmill.job.queued.v1"
    assert messages.type_of(JobChanged(job=running.revise())) == "rowmill.job.progress.v1"
    assert messages.type_of(JobChanged(job=done.revise())) == "rowmill.job.succeeded.v1"


def test_commands_are_told_apart_though_they_carry_the_same_job(new_job: Callable[..., Job]) -> None:
    job = new_job()
    sent = [kind(job=job) for kind in COMMANDS]
    assert len({messages.type_of(message) for message in sent}) == len(COMMANDS)
    assert [type(decode(encode(message))) for message in sent] == list(COMMANDS)


def test_each_message_has_a_stream_and_the_lane_of_its_job(new_job: Callable[..., Job]) -> None:
    for kind in COMMANDS:
        for priority in Priority:
            assert messages.priority_of(kind(job=new_job(priority=priority))) is priority
    streams = {kind: messages.STREAM_OF[kind].name for kind in (*COMMANDS, JobChanged, ConsumerReady)}
    assert streams == {
        RunJob: "jobs",
        RetryJob: "jobs",
        CancelJob: "control",
        ForgetJob: "control",
        PruneJob: "control",
        JobChanged: "events",
        ConsumerReady: "events",
    }
