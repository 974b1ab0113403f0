"""One mail of a mailing: a row becomes a message to exactly one recipient. What is in a cell stays what it is: text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any
from urllib.parse import quote

from consumer.errands import Reject
from consumer.mails import letters, wording

LONGEST_SUBJECT = 500  # characters
UNSUBSCRIBE = "List-Unsubscribe"


class Policy(EmailPolicy):
    """As the mail of jobs is written; but an address to unsubscribe at is never encoded, however long it is."""

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name == UNSUBSCRIBE:
            return f"{name}: {value}".replace(", ", ",\r\n ").encode("ascii") + b"\r\n"
        return super().fold_binary(name, value)


POLICY = Policy(linesep="\r\n", cte_type="7bit")


def compose(
    job: str, line: int, *, to: str, subject: str, text: str, mail_from: str, unsubscribe: Sequence[str]
) -> EmailMessage:
    """The mail for the row on *line* of *job*'s table, or Reject. Asked for again, it has the same Message-ID."""
    message = EmailMessage(policy=POLICY)
    name, sender = letters.parse_sender(mail_from)
    message["Subject"] = _subject(subject)
    message["From"] = letters.as_address(sender, name)
    message["To"] = letters.as_address(_recipient(to))
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = _identify(job, line, mail_from)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Rowmill-Job"] = wording.slug(job)
    if unsubscribe:
        message[UNSUBSCRIBE] = ", ".join(f"<{_fill_in(url, to)}>" for url in unsubscribe)
    if any(url.startswith("https:") for url in unsubscribe):
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(text + "\n", cte="quoted-printable")
    return message


def _subject(text: str) -> str:
    if wording.plain(text) != text:
        raise Reject("not one line of text", "subject")
    if len(text) > LONGEST_SUBJECT:
        raise Reject(f"longer than {LONGEST_SUBJECT} characters", "subject")
    return text


def _recipient(text: str) -> str:
    try:
        return letters.one_address(text)
    except letters.BadAddress:
        raise Reject("not exactly one mail address", "email") from None


def _identify(job: str, line: int, mail_from: str) -> str:
    digest = hashlib.sha256(f"{job} {line}".encode()).hexdigest()
    return f"<{digest[:32]}@{letters.domain_of(mail_from)}>"


def _fill_in(url: str, to: str) -> str:
    return url.replace("{email}", quote(to, safe=""))
