"""Sessions of the page: opened with a key, kept as a cookie that scripts cannot read, closed by leaving or by time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

from aiohttp import web

from protocol.databases import Database, Transaction
from protocol.signing import Signer

MIGRATIONS = (
    """CREATE TABLE service_sessions (
        digest TEXT PRIMARY KEY,  -- of the cookie
        key    TEXT NOT NULL,     -- with which it was opened
        ends   REAL NOT NULL)""",
)
INSERT = "INSERT INTO service_sessions (digest, key, ends) VALUES (:digest, :key, :ends)"
# Of one key only the newest stay.
CROWD_OUT = """DELETE FROM service_sessions WHERE ends < :now OR digest IN
    (SELECT digest FROM service_sessions WHERE key = :key ORDER BY ends DESC LIMIT 1000 OFFSET :most)"""
FIND = "SELECT key FROM service_sessions WHERE digest = :digest AND ends > :now"
LIFE = 7 * 86400  # seconds
MOST = 50  # of one key
COOKIE, SECURE_COOKIE = "rowmill_session", "__Host-rowmill_session"


class Sessions:
    def __init__(self, database: Database, signer: Signer, *, clock: Callable[[], float] = time.time) -> None:
        self._database, self._signer, self._clock = database, signer, clock

    async def prepare(self) -> None:
        await self._database.migrate("service sessions", MIGRATIONS)

    async def open(self, key_id: str) -> str:
        """The cookie of a new session."""
        token, now = secrets.token_urlsafe(32), self._clock()

        def unit(tx: Transaction) -> None:
            tx.execute(CROWD_OUT, now=now, key=key_id, most=MOST - 1)
            tx.execute(INSERT, digest=_digest(token), key=key_id, ends=now + LIFE)

        await self._database.write(unit)
        return token

    async def find(self, token: str) -> str | None:
        """The id of the key that the session was opened with."""
        rows = await self._database.read(FIND, digest=_digest(token), now=self._clock())
        return rows[0]["key"] if rows else None

    async def close(self, token: str) -> None:
        sql = "DELETE FROM service_sessions WHERE digest = :digest"
        await self._database.write(lambda tx: tx.execute(sql, digest=_digest(token)))

    def csrf(self, token: str) -> str:
        """What the pages of a session send along with every change: another site cannot know it."""
        return hmac.new(self._signer.keys("csrf")[0], token.encode(errors="replace"), "sha256").hexdigest()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def session_of(request: web.Request) -> str | None:
    return request.cookies.get(SECURE_COOKIE) or request.cookies.get(COOKIE)


def hand_over(response: web.StreamResponse, token: str, *, secure: bool) -> None:
    """Give the browser its session; *secure* where it came by https."""
    name = SECURE_COOKIE if secure else COOKIE
    response.set_cookie(name, token, max_age=LIFE, path="/", httponly=True, secure=secure, samesite="Strict")


def take_back(response: web.StreamResponse) -> None:
    """Also what the browser has stored of private answers: going back must not show them."""
    response.headers["Clear-Site-Data"] = '"cache"'
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    response.del_cookie(SECURE_COOKIE, path="/", httponly=True, secure=True, samesite="Strict")
