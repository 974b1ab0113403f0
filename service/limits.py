"""Every number that bounds what a client can make the service hold or wait for."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.config import SPACE_FLOOR, Settings
from protocol.recipients import MOST_EMAILS


@dataclass(frozen=True)
class Limits:
    """Times in seconds, sizes in bytes."""

    read: float = 30.0  # one read of an upload
    upload: float = 3600.0  # a whole upload
    pace: int = 1024  # bytes a second that a body brings at least, but for its first `read` seconds
    idle: float = 30.0  # until a request's headers are there, from the connection's or the last answer's beginning
    send: float = 10.0  # one write to a client
    answer: float = 300.0  # a whole answer that is no stream and no download
    heartbeat: float = 20.0  # between two pings on a websocket
    wait: float = 45.0  # the longest `Prefer: wait`: proxies give up after 50 or 60, if nobody told them otherwise
    silence: float = 60.0  # a consumer that said nothing for so long is gone
    stop: float = 5.0  # requests under way when the service stops
    look: float = 5.0  # between two looks for jobs that stand still
    quiet: float = 20.0  # a job that stands still so long is asked for again
    waiting: float = 400.0  # one that waits for its next attempt, at most 300 s
    unfinished: float = 86400.0  # since the last part of an upload came, until what there is of it goes
    prune: float = 60.0  # between two looks for files that have had their time
    connections: int = 8192  # at a time, or half of the files that the process may have open
    clients: int = 2000  # websockets at a time
    backlog: int = 1000  # jobs a websocket client may be behind by
    uploads: int = 32  # uploads at a time
    queue: float = 10.0  # an upload waits for its turn
    space_floor: int = SPACE_FLOOR  # what an upload must leave free on the disk
    field: int = 64 * 2**10  # one form field
    fields: int = 64
    emails: int = MOST_EMAILS

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(space_floor=settings.disk_floor)
