"""Who is to be told of a job's end: addresses of people and of programs, judged one by one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from protocol import webhooks
from protocol.job import Fault
from protocol.sentences import shorten

MOST_EMAILS, MOST_WEBHOOKS = 20, 5
ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
ADDRESS_LENGTH, LOCAL_LENGTH = 254, 64


def read_emails(values: Iterable[str], most: int) -> tuple[tuple[str, ...], list[Fault]]:
    given = [value.strip(" ") for value in values if value.strip(" ")]
    unique = tuple({address.casefold(): address for address in reversed(given)}.values())[::-1]
    faults = [
        _fault("bad_email", f"{shorten(address)} is not one e-mail address.", f"/email/{number}")
        for number, address in enumerate(given)
        if not is_address(address)
    ]
    if len(unique) > most:
        faults.append(_fault("too_many_emails", f"At most {most} addresses, not {len(unique)}.", "/email"))
    return unique, faults


def read_webhooks(values: Iterable[str], hosts: Collection[str]) -> tuple[tuple[str, ...], list[Fault]]:
    given = [value.strip(" ") for value in values if value.strip(" ")]
    unique = tuple(dict.fromkeys(given))
    faults = [
        _fault("bad_webhook", f"The webhook {shorten(url)} {wrong}.", f"/webhook/{number}")
        for number, url in enumerate(given)
        if (wrong := webhooks.find_fault(url, hosts))
    ]
    if len(unique) > MOST_WEBHOOKS:
        faults.append(_fault("too_many_webhooks", f"At most {MOST_WEBHOOKS} webhooks, not {len(unique)}.", "/webhook"))
    return unique, faults


def is_address(text: str) -> bool:
    """Exactly one plain address, such as can stand in a mail header and in an SMTP command."""
    short = len(text) <= ADDRESS_LENGTH and len(text.partition("@")[0]) <= LOCAL_LENGTH
    return short and ADDRESS.fullmatch(text) is not None


def _fault(code: str, detail: str, pointer: str) -> Fault:
    return Fault(code=code, detail=detail, pointer=pointer)
