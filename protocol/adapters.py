"""URLs into adapters: the scheme names the module that speaks it. Loads nothing, for the workers come by here too."""

from __future__ import annotations

import importlib
import re
from typing import Any
from urllib.parse import urlsplit

PREFIX = "ROWMILL_"
SETTINGS = {  # of the ports' URLs
    "transports": "BROKER_URL", "databases": "DATABASE_URL", "files": "FILES_URL", "records": "RECORDS_URL",
    "mailers": "SMTP_URL",
}  # fmt: skip


class BadConfig(Exception):
    """A setting is wrong; the message names it. Fix it and start again."""


def find(port: str, url: str) -> Any:
    """The module in package *port* whose name is the scheme of *url*."""
    scheme = urlsplit(url).scheme
    setting = SETTINGS.get(port.rpartition(".")[2])
    named = f"{PREFIX}{setting}: " if setting else ""
    if not re.fullmatch(r"[a-z][a-z0-9]*", scheme):
        raise BadConfig(f"{named}{url!r} has no usable scheme, such as file:// or amqp://")
    try:
        return importlib.import_module(f"{port}.{scheme}")
    except ModuleNotFoundError as exc:
        if exc.name != f"{port}.{scheme}":
            raise BadConfig(f"{named}{scheme}:// needs the package {exc.name!r}") from exc
        raise BadConfig(f"{named}nothing here speaks {scheme}://") from None
