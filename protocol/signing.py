"""What only this installation can have said: keys and tokens derived from its secret, one family for each purpose."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from protocol import webhooks
from protocol.adapters import BadConfig
from protocol.config import LEAST_SECRET, Settings

FILE = "secret"
LIFE_OF_LINKS = 30 * 86400  # seconds
LIFE_OF_PROOFS = 60
LONGEST = 12  # digits of a moment
LINK, PROOF, WEBHOOK = "link", "operator", "webhook"  # purposes


class Signer:
    """The first secret signs; what an earlier one has signed still holds."""

    def __init__(self, secret: Sequence[str]) -> None:
        self._secrets = [one.encode() for one in secret]

    def keys(self, purpose: str) -> list[bytes]:
        """256 bits each, for *purpose* alone."""
        return [hmac.digest(secret, purpose.encode(), "sha256") for secret in self._secrets]

    def token(self, purpose: str, about: str, until: int) -> str:
        """Says that *about* may be had for *purpose* until then (epoch seconds)."""
        return f"{until}.{_mark(self.keys(purpose)[0], about, until)}"

    def holds(self, purpose: str, about: str, token: str, now: float) -> bool:
        until, _, mark = token.partition(".")
        if not (token.isascii() and until.isdigit() and len(until) <= LONGEST) or int(until) < now:
            return False
        right = [hmac.compare_digest(_mark(key, about, int(until)), mark) for key in self.keys(purpose)]
        return any(right)


def _mark(key: bytes, about: str, until: int) -> str:
    digest = hmac.digest(key, f"{until}.{about}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def load_signer(settings: Settings) -> Signer:
    """By ROWMILL_SECRET, or by a secret that is made once and lies in the data folder."""
    return Signer(settings.secret or (_keep(settings.data_dir / FILE),))


def webhook_keys(settings: Settings) -> list[bytes]:
    """By ROWMILL_WEBHOOK_SECRET, or derived from the other secret. The first signs for those who are new."""
    given = [webhooks.read_secret(one) for one in settings.webhook_secret]
    return given or load_signer(settings).keys(WEBHOOK)


def find_signer(settings: Settings) -> Signer | None:
    """None where there is no secret yet, or none for our eyes."""
    known = settings.secret or os.access(settings.data_dir / FILE, os.R_OK)
    return load_signer(settings) if known else None


def _keep(path: Path) -> str:
    """The secret in *path*; two processes that look for it at once find the same."""
    try:
        if not path.exists():
            _make(path)
        secret = path.read_text().strip()
    except OSError as exc:
        raise BadConfig(f"{path}: {exc.strerror}; set ROWMILL_SECRET instead") from None
    if len(secret) < LEAST_SECRET:  # cut short by a full disk or a loss of power: anybody could guess it
        raise BadConfig(f"{path}: no secret of {LEAST_SECRET} characters or more; remove it, and another one is made")
    return secret


def _make(path: Path) -> None:
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    try:
        with suppress(FileExistsError):
            os.link(fresh, path)  # whole or not at all, and the first one stays
    finally:
        fresh.unlink()
