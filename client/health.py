"""Is the Rowmill with these settings alive? Asked from the same machine, by those who restart what is not."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from client.exits import Exit, Unreachable
from protocol import config, pulse
from protocol.config import Settings

PATIENCE = 5.0  # seconds


async def tell() -> int:
    print(check(config.load()))  # noqa: T201
    return Exit.SUCCEEDED


def check(settings: Settings) -> str:
    """A sentence on what is alive, or Unreachable."""
    felt = pulse.feel(settings)
    if felt is None:
        raise Unreachable(f"No Rowmill runs on {settings.data_dir}.")
    if not felt.beats:
        raise Unreachable(f"The Rowmill on {settings.data_dir} has not moved for {felt.age:.0f} s.")
    if felt.url:
        _ask(felt.url)
    return f"alive{felt.url and ' at '}{felt.url}"


def _ask(url: str) -> None:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)
    try:
        connection.request("GET", "/livez")
        status = connection.getresponse().status
    except (OSError, HTTPException) as exc:
        raise Unreachable(f"{url} does not answer: {exc}") from None
    finally:
        connection.close()
    if status != 200:  # noqa: PLR2004
        raise Unreachable(f"{url} answers {status}.")
