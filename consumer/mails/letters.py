"""What a mail about a job says: a job and the bytes of its files become one message, and nothing is read or sent.

File names, columns and cells come from strangers: here they are always text, never HTML, a header or a new line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from consumer.mails import wording
from protocol.job import Artefact, Job

POLICY = SMTP.clone(cte_type="7bit")  # every server takes it, and nothing on the way re-encodes it
CSV = "text/csv"
LARGEST = 256 * 2**10  # bytes of one enclosed table
LARGEST_TOGETHER = 2**20
LARGEST_CHART = 2 * 2**20
LONGEST_ADDRESS = 254  # RFC 5321
LONGEST_NAME = 60  # characters of a file name in the subject
Enclosure = tuple[str, str, bytes]  # name, media type, content


@dataclass(frozen=True)
class Server:
    """How the server is reached, where somebody has said so, and what opens the job there without a key."""

    public_url: str
    token: str

    def find(self, path: str) -> str:
        query = f"?link={self.token}" if self.token and self.public_url else ""
        return f"{self.public_url.rstrip('/')}/{path.lstrip('/')}{query}"


class BadAddress(ValueError):
    """This is not exactly one mail address; the message says what is wrong."""


def compose(
    job: Job,
    *,
    to: str,
    mail_from: str,
    public_url: str,
    token: str = "",
    chart_png: bytes | None = None,
    attachments: Sequence[Enclosure] = (),
) -> EmailMessage:
    """The mail that tells *to* how *job* ended: the same bytes whenever it is asked for. Raises BadAddress.

    With a *token* its links open this job without a key.
    """
    message = EmailMessage(policy=POLICY)
    _head(message, job, to, mail_from)
    chart = f"chart@{domain_of(mail_from)}" if chart_png else None
    view = _view(job, Server(public_url, token), chart, [name for name, _, _ in attachments])
    message.set_content(_render("letter.txt", view), cte="quoted-printable")
    message.add_alternative(_render("letter.html", view), subtype="html", cte="quoted-printable")
    if chart_png:
        _inline(message, chart_png, f"<{chart}>")
    for name, media_type, content in attachments:
        _enclose(message, name, media_type, content)
    _fix_boundaries(message)
    return message


def one_address(text: str) -> str:
    """The one bare address in *text*, its domain in ASCII; BadAddress for none, two, a display name or a header."""
    text = text.strip()
    local, _, domain = text.rpartition("@")
    if len(text) > LONGEST_ADDRESS or wording.plain(text) != text:
        raise BadAddress(f"{wording.shorten(text, 80)!r} is not a mail address")
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode()
        # The parser knows no local part beyond ASCII, so it sees the rest of it.
        seen = f"{local.encode('ascii', 'replace').decode().replace('?', 'x')}@{domain}"
        alone = Address(addr_spec=seen).addr_spec == seen
    except (MessageError, ValueError, LookupError):  # the parser trips over an empty part with an IndexError
        alone = False
    if not alone:
        raise BadAddress(f"{wording.shorten(text, 80)!r} is not exactly one mail address")
    return f"{local}@{domain}"


def parse_sender(mail_from: str) -> tuple[str, str]:
    """The name and the address in `Name <address>` or a bare address; BadAddress where there are several."""
    if not mail_from.strip().endswith(">"):
        return "", one_address(mail_from)
    name, _, address = mail_from.strip().removesuffix(">").rpartition("<")
    if set(name) & set("<>@"):
        raise BadAddress(f"{wording.shorten(mail_from, 80)!r} is more than one sender")
    return wording.plain(name).strip(' "'), one_address(address)


def identify(job: Job, to: str, mail_from: str) -> str:
    """The Message-ID: the same for the same end of the same job and the same recipient."""
    digest = hashlib.sha256(f"{job.id} {finish(job)} {to.strip().casefold()}".encode("utf-8", "replace")).hexdigest()
    return f"<{digest[:32]}@{domain_of(mail_from)}>"  # short: a folded Message-ID upsets some servers


def finish(job: Job) -> int:
    """The version at which the job ended; a job that is retried ends again, at a later one."""
    return job.log[-1].version if job.log else job.version


def choose_tables(job: Job) -> tuple[Artefact, ...]:
    """The tables small enough to enclose: each at most 256 KiB, together at most 1 MiB."""
    chosen: list[Artefact] = []
    for artefact in offered_tables(job):
        if artefact.size <= LARGEST and artefact.size + sum(one.size for one in chosen) <= LARGEST_TOGETHER:
            chosen.append(artefact)
    return tuple(chosen)


def offered_tables(job: Job) -> tuple[Artefact, ...]:
    """The job's tables, without a file of rejected rows that has none."""
    tables = (one for one in job.artefacts if one.name.endswith(".csv"))
    return tuple(one for one in tables if one.name != "rejected.csv" or job.progress.rows_rejected)


def choose_chart(job: Job) -> Artefact | None:
    """The picture to show: the first one there is, unless it is huge."""
    return next((one for one in job.artefacts if one.name.endswith(".png") and one.size <= LARGEST_CHART), None)


def _head(message: EmailMessage, job: Job, to: str, mail_from: str) -> None:
    name, sender = parse_sender(mail_from)
    message["Subject"] = f"{job.state.capitalize()}: {wording.shorten(job.table_name, LONGEST_NAME)}"
    message["From"] = as_address(sender, name)
    message["To"] = as_address(one_address(to))
    message["Date"] = job.finished_at or job.created_at
    message["Message-ID"] = identify(job, to, mail_from)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    message["X-Rowmill-Job"] = wording.slug(job.id)
    if job.traceparent:
        message["Traceparent"] = job.traceparent


def as_address(address: str, name: str = "") -> Address:
    """What a From or To header takes."""
    if address.isascii():
        return Address(name, addr_spec=address)
    local, _, domain = address.rpartition("@")  # the parser knows no local part beyond ASCII
    return Address(name, username=local, domain=domain)


def domain_of(mail_from: str) -> str:
    """The domain of the sender."""
    return parse_sender(mail_from)[1].rpartition("@")[2]


def _view(job: Job, server: Server, chart: str | None, enclosed: Sequence[str]) -> dict[str, Any]:
    return {
        "job": job,
        "chart": chart,
        "link": server.find(f"/jobs/{job.id}") if server.public_url else None,
        "account": wording.account(job),
        "previews": wording.previews(job),
        "advice": wording.advise(job.problem) if job.problem else None,
        "enclosed": enclosed,
        "left_out": [(one, server.find(one.url)) for one in _left_out(job, enclosed)],
        "took": wording.took(job),
    }


def _left_out(job: Job, enclosed: Iterable[str]) -> list[Artefact]:
    return [one for one in offered_tables(job) if one.name not in set(enclosed)]


def _inline(message: EmailMessage, png: bytes, cid: str) -> None:
    html = message.get_body(("html",))
    assert isinstance(html, EmailMessage)  # noqa: S101 - it was added a moment ago
    html.add_related(png, "image", "png", cid=cid, filename="chart.png", disposition="inline")


def _enclose(message: EmailMessage, name: str, media_type: str, content: bytes) -> None:
    bare = media_type.partition(";")[0].strip()
    main, _, sub = bare.partition("/")
    charset = {"charset": "utf-8"} if bare == CSV else {}
    message.add_attachment(
        content, maintype=wording.slug(main), subtype=wording.slug(sub), filename=wording.slug(name), params=charset
    )


def _fix_boundaries(message: EmailMessage) -> None:
    """A random boundary would make every copy of the same mail another file."""
    digest = hashlib.sha256(str(message["Message-ID"]).encode()).hexdigest()[:24]
    parts = [part for part in message.walk() if part.is_multipart()]
    for number, part in enumerate(parts):
        part.set_boundary(f"=_{digest}.{number}")  # "=_" cannot occur in base64 or quoted-printable


def _render(template: str, view: dict[str, Any]) -> str:
    return _environment().get_template(template).render(view)


def _printable(value: Any) -> Any:
    return value if isinstance(value, Markup) else wording.plain(str(value))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": wording.number,
        "label": wording.label,
        "size": wording.size,
        "shorten": wording.shorten,
    }
    return environment
