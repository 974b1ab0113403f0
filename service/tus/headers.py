"""The protocol's headers: read strictly, and spelled. Pure."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from protocol.submission import Fields
from service.problems import Refused

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,termination,checksum"
MEDIA_TYPE = "application/offset+octet-stream"
METADATA_BYTES = 16 * 2**10
NUMBER = re.compile(r"[0-9]{1,15}")
PAIR = re.compile(r"([!-+\--~]{1,64})(?: +([A-Za-z0-9+/]*={0,2}))?")
ALGORITHMS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}
LISTS = {"email": ",", "webhook": None}  # fields of several values, and what is between them here: blanks, if none
NAMES = ("filename", "name")  # clients know the file's name by either
OF_CLIENTS = frozenset({"name", "filetype", "type", "relativePath"})  # what they send along unasked


@dataclass
class Checksum:
    """What a part's bytes are said to come to."""

    wanted: bytes
    digest: Any

    def check(self) -> None:
        if self.digest.digest() != self.wanted:
            raise Refused("checksum_mismatch", "The bytes are not those of Upload-Checksum; they were dropped.")


def check_version(headers: Mapping[str, str]) -> None:
    if headers.get("Tus-Resumable") != VERSION:
        detail = f"Say Tus-Resumable: {VERSION}; no other version is spoken here."
        raise Refused("wrong_version", detail, headers={"Tus-Version": VERSION})


def read_number(headers: Mapping[str, str], name: str) -> int:
    value = headers.get(name, "")
    if not NUMBER.fullmatch(value):
        raise Refused("bad_parameter", f"{name} must be a number of bytes.")
    return int(value)


def read_metadata(text: str, fields: Fields) -> None:
    """Add what Upload-Metadata says to *fields*."""
    if len(text) > METADATA_BYTES:
        raise Refused("bad_parameter", f"Upload-Metadata may have {METADATA_BYTES:,} bytes.")
    given = dict(_pair(pair.strip()) for pair in text.split(",") if pair.strip())
    if not given.keys().isdisjoint(NAMES) and (name := next(given[name] for name in NAMES if name in given)):
        fields.add("filename", name)
    for name, value in given.items():
        if name != "filename" and name not in OF_CLIENTS:
            for one in value.split(LISTS[name]) if name in LISTS else [value]:
                fields.add(name, one)


def _pair(text: str) -> tuple[str, str]:
    try:
        match = PAIR.fullmatch(text)
        return (match[1], b64decode(match[2] or "", validate=True).decode()) if match else _bad_pair()
    except ValueError:
        return _bad_pair()


def _bad_pair() -> tuple[str, str]:
    raise Refused("bad_parameter", "Upload-Metadata holds pairs of a name and a value in Base64 of UTF-8, with commas.")


def read_checksum(headers: Mapping[str, str]) -> Checksum | None:
    if (text := headers.get("Upload-Checksum")) is None:
        return None
    name, _, value = text.partition(" ")
    try:
        return Checksum(b64decode(value, validate=True), ALGORITHMS[name]())
    except (KeyError, ValueError):
        detail = f"Upload-Checksum is one of {', '.join(ALGORITHMS)}, a space, and the digest in Base64."
        raise Refused("bad_parameter", detail) from None


def expires(at: float) -> dict[str, str]:
    return {"Upload-Expires": formatdate(at, usegmt=True)}
