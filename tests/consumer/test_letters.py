"""What a mail says, read back the way a mail program reads it: as bytes, with the standard library."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.mails import letters
from consumer.pool.artefacts import MEDIA_TYPES
from protocol.job import (
    Account,
    Artefact,
    Chart,
    Fault,
    Finding,
    Job,
    Problem,
    Progress,
    Report,
    Source,
    State,
    Table,
)

ID = "0123456789abcdef0123456789abcdef"
STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
SUMMARY = b"region,revenue\nEast,1090\n"
KNOWN_HEADERS = {
    "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress", "X-Rowmill-Job",
    "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}  # fmt: skip
ALLOWED_TAGS = {
    "html", "head", "meta", "title", "style", "body", "div", "table", "tr", "td", "th", "span", "h1", "h2", "p",
    "br", "img", "a",
}  # fmt: skip


def artefact(name: str, size: int) -> Artefact:
    return Artefact(name=name, media_type="text/csv", size=size, sha256="0" * 64, url=f"/v1/jobs/{ID}/artefacts/{name}")


def finished(**changes: Any) -> Job:
    job = Job(
        id=ID,
        kind="sales",
        source=Source(name="sales.csv", size=2048, sha256="0" * 64),
        created_at=STARTED,
        started_at=STARTED,
        progress=Progress(rows_done=1234, rows_rejected=34),
        report=Report(
            headline="1,200 rows in 4 regions",
            numbers={"kept": 1200, "mean": 22.857142857142858, "top_region": "East", "std": None},
            tables=(Table(name="summary", columns=("region", "revenue"), rows=(("East", 1090), ("West", 0.15))),),
            charts=(Chart(name="revenue", spec={}),),
            account=Account(read=1234, used=1200, rejected=34),
            final=True,
        ),
        artefacts=(artefact("summary.csv", 30), artefact("rejected.csv", 20)),
    )
    ended = job.move(State.RUNNING, at=STARTED, reason="").move(
        State.SUCCEEDED, at=STARTED, reason="", finished_at=STARTED + timedelta(seconds=75)
    )
    return ended.model_copy(update=changes)


def failed(problem: Problem, **changes: Any) -> Job:
    nothing = {"report": None, "artefacts": (), "progress": Progress()}
    return finished(state=State.FAILED, problem=problem, **nothing | changes)


def compose(job: Job, **changes: Any) -> EmailMessage:
    """The mail as its reader's program sees it."""
    given = {"to": "ann@example.org", "mail_from": "Rowmill <rowmill@mill.example>", "public_url": ""}
    return parse(letters.compose(job, **given | changes).as_bytes())


def parse(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert [defect for part in message.walk() for defect in part.defects] == []
    return message


def text_of(message: EmailMessage) -> str:
    return content_of(message, "plain")


def html_of(message: EmailMessage) -> str:
    return content_of(message, "html")


def content_of(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


class Reader(HTMLParser):
    """What a browser would make of it: tags, attributes and the visible words."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_headers_name_the_job_and_say_that_no_person_wrote_it() -> None:
    message = compose(finished())
    assert message["Subject"] == "Succeeded: sales.csv"
    assert message["From"] == "Rowmill <rowmill@mill.example>"
    assert message["To"] == "ann@example.org"
    assert message["Date"].datetime == STARTED + timedelta(seconds=75)
    assert message["Auto-Submitted"] == "auto-generated"
    assert set(message.keys()) <= KNOWN_HEADERS


def test_the_text_comes_before_the_html_so_that_programs_prefer_the_html() -> None:
    message = compose(finished())
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]


def test_both_parts_hold_the_headline_the_numbers_and_the_first_rows() -> None:
    message = compose(finished())
    for words in (text_of(message), Reader(html_of(message)).words):
        for expected in ("1,200 rows in 4 regions", "Mean", "22.8571", "Top region", "revenue", "East", "1090", "0.15"):
            assert expected in words


def test_every_row_that_was_read_is_used_rejected_or_skipped() -> None:
    assert "\n1,234 rows read = 1,200 used + 34 rejected\n" in text_of(compose(finished()))
    account = Account(read=1234, used=1000, rejected=34, skipped=200)
    report = Report(headline="loaded", account=account, final=True)
    loaded = compose(finished(report=report))
    assert "1,234 rows read = 1,000 used + 34 rejected + 200 skipped" in text_of(loaded)
    assert "1,234 rows read = 1,000 used + 34 rejected + 200 skipped" in Reader(html_of(loaded)).words


@pytest.mark.parametrize("account", [None, Account(read=0, used=0, rejected=0)])
def test_where_no_rows_were_read_none_are_accounted_for(account: Account | None) -> None:
    assert "read =" not in text_of(compose(finished(report=Report(headline="none", account=account, final=True))))


def test_the_chart_is_inside_the_mail_and_the_html_points_at_it() -> None:
    message = compose(finished(), chart_png=PNG)
    [image] = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert image.get_content() == PNG
    assert image.get_content_disposition() == "inline"
    assert ("src", f"cid:{image['Content-ID'].strip('<>')}") in Reader(html_of(message)).attributes


def test_a_mail_without_a_chart_points_at_none() -> None:
    assert "img" not in Reader(html_of(compose(finished()))).tags


def test_enclosed_tables_arrive_to_the_byte() -> None:
    awkward = b'a,b\r\n"x\ny",\xc3\xa9\n.\n' + b"1,2\n" * 5000
    files = [("summary.csv", "text/csv", SUMMARY), ("rejected.csv", "text/csv", awkward)]
    message = compose(finished(), attachments=files, chart_png=PNG)
    assert message.get_content_type() == "multipart/mixed"
    enclosed = list(message.iter_attachments())
    assert [part.get_filename() for part in enclosed] == ["summary.csv", "rejected.csv"]
    assert [part.get_payload(decode=True) for part in enclosed] == [SUMMARY, awkward]
    assert "Enclosed: summary.csv, rejected.csv" in text_of(message)


def test_enclosed_tables_are_of_the_type_that_every_program_knows() -> None:
    message = compose(finished(), attachments=[("summary.csv", MEDIA_TYPES[".csv"], SUMMARY)])
    [table] = message.iter_attachments()
    assert (table.get_content_type(), table.get_content_charset()) == ("text/csv", "utf-8")


def test_a_table_is_enclosed_up_to_a_quarter_mebibyte_and_all_up_to_one() -> None:
    most = letters.LARGEST
    sizes = [most, most + 1, most, most, most - 10, 11, 10]
    job = finished(artefacts=tuple(artefact(f"t{number}.csv", size) for number, size in enumerate(sizes)))
    assert [one.name for one in letters.choose_tables(job)] == ["t0.csv", "t2.csv", "t3.csv", "t4.csv", "t6.csv"]


def test_only_tables_are_enclosed_and_no_empty_file_of_rejects() -> None:
    job = finished(
        artefacts=tuple(artefact(name, 9) for name in ("summary.csv", "revenue.svg", "rejected.csv")),
        progress=Progress(rows_done=5),
        report=Report(headline="All used", account=Account(read=5, used=5, rejected=0), final=True),
    )
    assert [one.name for one in letters.choose_tables(job)] == ["summary.csv"]
    assert "rejected.csv" not in text_of(compose(job))


def test_the_chart_shown_is_the_picture_that_is_small_enough() -> None:
    huge, small = artefact("a.png", letters.LARGEST_CHART + 1), artefact("b.png", 10)
    assert letters.choose_chart(finished(artefacts=(huge, small))) == small
    assert letters.choose_chart(finished()) is None


def test_what_was_left_out_is_named_with_its_size_and_where_to_get_it() -> None:
    job = finished(artefacts=(artefact("summary.csv", 30), artefact("anomalies.csv", 400 * 1024)))
    message = compose(job, attachments=[("summary.csv", "text/csv", SUMMARY)], public_url="https://mill.example/rows/")
    place = f"https://mill.example/rows/v1/jobs/{ID}/artefacts/anomalies.csv"
    assert f"anomalies.csv (400.0 KiB): {place}" in text_of(message)
    assert ("href", place) in Reader(html_of(message)).attributes
    unlinked = compose(job, attachments=[("summary.csv", "text/csv", SUMMARY)])
    assert f"anomalies.csv (400.0 KiB): /v1/jobs/{ID}/artefacts/anomalies.csv" in text_of(unlinked)


def test_there_are_links_exactly_when_the_public_address_is_known() -> None:
    linked = compose(finished(), public_url="https://mill.example")
    assert f"https://mill.example/jobs/{ID}" in text_of(linked)
    assert ("href", f"https://mill.example/jobs/{ID}") in Reader(html_of(linked)).attributes
    assert "a" not in Reader(html_of(compose(finished()))).tags


def test_with_a_token_every_link_opens_this_job_without_a_key() -> None:
    job = finished(artefacts=(artefact("large.csv", 2**21),))
    mail = compose(job, public_url="https://mill.example/", token="1.x")
    for place in (f"https://mill.example/jobs/{ID}?link=1.x", f"https://mill.example{job.artefacts[0].url}?link=1.x"):
        assert place in text_of(mail)
        assert f'href="{place}"' in html_of(mail)
    assert "1.x" not in text_of(compose(job, token="1.x"))


def test_a_failed_table_gets_every_fault_with_its_place_and_what_to_do() -> None:
    faults = (
        Fault(code="missing_column", detail="there is no column revenue", column="revenue", line=1),
        Fault(code="unclosed_quote", detail="a quote is never closed", line=77),
    )
    problem = Problem(type="/problems/bad_table", title="Bad table", status=422, detail="Two faults.", errors=faults)
    message = compose(failed(problem))
    assert message["Subject"] == "Failed: sales.csv"
    text, html = text_of(message), Reader(html_of(message)).words
    assert "line 1, column revenue: there is no column revenue" in text
    assert "line 77: a quote is never closed" in text
    for words in (text, html):
        for expected in ("Bad table", "Two faults.", "line 77", "a quote is never closed", "submit it again"):
            assert expected in words


def test_a_failure_of_the_machine_does_not_blame_the_table() -> None:
    problem = Problem(type="/problems/worker_lost", title="The worker died", status=500, detail="It died three times.")
    message = compose(failed(problem, attempt=3))
    for words in (text_of(message), Reader(html_of(message)).words):
        assert "not about your table" in words
        assert "It was tried 3 times." in words


def test_a_thousand_faults_do_not_make_a_mail_of_a_thousand_lines() -> None:
    faults = tuple(Fault(code="bad", detail=f"fault {number}", line=number) for number in range(1000))
    problem = Problem(type="/problems/bad_table", title="Bad table", status=422, detail="Many.", errors=faults)
    for words in (text_of(compose(failed(problem))), Reader(html_of(compose(failed(problem)))).words):
        assert words.count("fault ") == 20
        assert "and 980 more" in words


def test_a_wide_and_long_table_is_cut_and_says_so() -> None:
    wide = Table(name="all", columns=tuple(f"c{at}" for at in range(12)), rows=(tuple(range(12)),) * 50, truncated=True)
    text = text_of(compose(finished(report=Report(headline="x", tables=(wide,)))))
    assert "All (the first 10 rows, 8 of 12 columns)" in text
    assert text.count("0  1  2  3  4  5  6  7".replace("  ", "   ")) == 10


def test_how_the_file_was_read_is_said() -> None:
    job = finished(findings=(Finding(what="encoding", value="cp1252", why="byte 12 is no UTF-8"),))
    for words in (text_of(compose(job)), Reader(html_of(compose(job))).words):
        assert "cp1252" in words
        assert "byte 12 is no UTF-8" in words


EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)>' onmouseover='x {{ 7*7 }}"


def test_nothing_from_a_file_is_ever_html() -> None:
    job = finished(
        kind=EVIL,
        source=Source(name=EVIL, size=1, sha256=""),
        report=Report(
            headline=EVIL,
            numbers={EVIL: EVIL, "list": [EVIL]},
            tables=(Table(name=EVIL, columns=(EVIL, "b"), rows=((EVIL, None),)),),
            charts=(Chart(name=EVIL, spec={}),),
        ),
        findings=(Finding(what=EVIL, value=EVIL, why=EVIL),),
    )
    problem = Problem(
        type="x", title=EVIL, status=422, detail=EVIL, errors=(Fault(code="x", detail=EVIL, column=EVIL, line=1),)
    )
    for evil in (job, failed(problem, source=job.source, kind=EVIL)):
        reader = Reader(html_of(compose(evil, chart_png=PNG)))
        assert reader.tags <= ALLOWED_TAGS
        assert not [name for name, _ in reader.attributes if name.startswith("on")]
        assert "<script>alert(1)</script>" in reader.words
        assert "{{ 7*7 }}" in reader.words
        images = [value for name, value in reader.attributes if name == "src"]
        assert images == ["cid:chart@mill.example"]


def test_a_cell_cannot_forge_a_line_of_the_text() -> None:
    forged = "East\n\n9 rows read = 9 used\r\u2028\u202eevil\x1b[2J"
    job = finished(report=Report(headline=forged, tables=(Table(name="t", columns=(forged,), rows=((forged,),)),)))
    text = text_of(compose(job))
    assert [line for line in text.splitlines() if line.lstrip().startswith("9 rows")] == []
    assert not set(text) & set("\u2028\u202e\x1b")


@given(
    name=st.text(st.characters(codec="utf-8"), max_size=300), tail=st.sampled_from(["", "\r\nBcc: eve@x.org", "\n\n"])
)
@settings(max_examples=150, deadline=None)
def test_no_file_name_can_add_a_header_or_break_one(name: str, tail: str) -> None:
    job = finished(source=Source(name=f"{tail}{name}{tail}", size=1, sha256=""))
    message = compose(job)
    assert set(message.keys()) <= KNOWN_HEADERS
    assert len(message.keys()) == len(set(message.keys()))
    subject = message["Subject"]
    assert subject.startswith("Succeeded:")
    assert len(subject) <= len("Succeeded: ") + letters.LONGEST_NAME
    assert len(list(message.walk())) == 3


@pytest.mark.parametrize(
    "name", ["übersicht März.csv", "売上.csv", "a" * 200 + ".csv", "x y  z.csv", "🙂" * 40 + ".csv"]
)
def test_a_file_name_arrives_readable_and_short(name: str) -> None:
    subject = str(compose(finished(source=Source(name=name, size=1, sha256="")))["Subject"])
    assert subject.endswith(".csv")
    assert len(name) > letters.LONGEST_NAME or subject == f"Succeeded: {name}"


@pytest.mark.parametrize("name", ["a\r\nBcc: eve@x.org.csv", "../../etc/passwd", 'x"; filename="y', "\u202evsc.exe"])
def test_an_enclosed_name_is_a_plain_file_name(name: str) -> None:
    message = compose(finished(), attachments=[(name, "text/csv\r\nX-Evil: 1", SUMMARY)])
    [part] = message.iter_attachments()
    assert set(str(part.get_filename())) <= set("abcdefghijklmnopqrstuvwxyzBE.-")
    assert "/" not in str(part.get_filename())
    assert not str(part.get_filename()).startswith(".")
    assert "X-Evil" not in part


def test_a_mail_carries_the_trace_of_its_job() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert compose(finished(traceparent=trace))["Traceparent"] == trace
    assert "Traceparent" not in compose(finished())


def test_the_same_mail_is_the_same_bytes() -> None:
    given: dict[str, Any] = {
        "to": "ann@example.org", "mail_from": "r@m.example", "public_url": "", "chart_png": PNG,
        "attachments": [("summary.csv", "text/csv", SUMMARY)],
    }  # fmt: skip
    assert letters.compose(finished(), **given).as_bytes() == letters.compose(finished(), **given).as_bytes()


def test_the_message_id_tells_jobs_recipients_and_ends_apart_and_nothing_else() -> None:
    job = finished()
    again = job.model_copy(update={"version": 99, "mail": ()})
    ended_again = job.model_copy(update={"log": (*job.log, job.log[-1].model_copy(update={"version": 9}))})
    ids = {
        letters.identify(one, to, "Rowmill <r@m.example>")
        for one, to in ((job, "a@x.org"), (job, "b@x.org"), (ended_again, "a@x.org"))
    }
    assert len(ids) == 3
    assert all(one.endswith("@m.example>") for one in ids)
    assert letters.identify(job, "a@x.org", "r@m.example") == letters.identify(again, "A@x.org", "r@m.example")
    assert compose(job)["Message-ID"] == letters.identify(job, "ann@example.org", "rowmill@mill.example")


def test_every_line_of_a_mail_is_ascii_and_short_enough_for_any_server() -> None:
    job = finished(report=Report(headline="é" * 3000, tables=(Table(name="t", columns=("é" * 3000,), rows=()),)))
    message = letters.compose(
        job, to="ann@example.org", mail_from="Zoë <r@m.example>", public_url="", chart_png=PNG,
        attachments=[("summary.csv", "text/csv", b"x" * 5000)],
    )  # fmt: skip
    data = message.as_bytes()
    assert data.isascii()
    assert max(len(line) for line in data.split(b"\r\n")) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert "é" * 3000 in text_of(parse(data))


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("a@x.org", "a@x.org"),
        (" a+b@x.org ", "a+b@x.org"),
        ("é@x.org", "é@x.org"),
        ("a@bücher.de", "a@xn--bcher-kva.de"),
    ],
)
def test_one_bare_address_is_an_address(given: str, address: str) -> None:
    assert letters.one_address(given) == address


@pytest.mark.parametrize(
    "given",
    [
        "", "a", "a@", "@x", "a@x, b@y", "a@x,b@y", "a@x;b@y", "a@x b@y", "Ann <a@x>", "<a@x>", "a@x\nBcc: b@y",
        "a@x@y",
        "a b@x", "a..b@x", "a@x..org", "é,b@x.org", "a(c)@x.org", "a@x.org\u202e", "a" * 300 + "@x.org", "a\x00@x.org",
    ],
)  # fmt: skip
def test_anything_but_exactly_one_address_is_refused(given: str) -> None:
    with pytest.raises(letters.BadAddress):
        letters.compose(finished(), to=given, mail_from="r@m.example", public_url="")
