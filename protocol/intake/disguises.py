"""What is no table although it was sent as one: known by its file name or by its first bytes."""

from __future__ import annotations

import re

from protocol.intake.layout import Format
from protocol.intake.unpacking import plain_name
from protocol.job import Fault

HEAD = 64 * 1024  # bytes that are judged, however they came
_FEWEST = 4  # of a sign

_ZIP = b"PK\x03\x04"
_NAMELESS = re.compile(rb"(?s)PK\x03\x04.{22}\0\0")  # no workbook has a part without a name
_SHEETS = (b"xl/", b"[Content_Types].xml", b"_rels/.rels")
_JSON = re.compile(rb'\s*(?P<array>\[\s*)?\{\s*["}]')
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x1f\x8b", "a gzip archive in another archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive in another archive; unpack it first"),
    (b"\xfd7zXZ\x00", "an xz archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Office document (xls, doc); save the sheet as xlsx and send that",
    ),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x7fELF", "a Linux program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\x00asm", "a WebAssembly program"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"{\\rtf", "a rich text document"),
)
_MAGIC_WITH_NUL: tuple[tuple[bytes, str], ...] = (  # a table might begin with these letters, but not hold a NUL
    (b"ARROW1", "an Arrow file"),
    (b"FEA1", "a Feather file"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"MZ", "a Windows program"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a sound, a film or an image"),
    (b"Rar!", "a RAR archive; unpack it first"),
)
_SIGNS = tuple(sign for sign, _ in _MAGIC)
_PAGE = re.compile(rb"\s*<(?:!doctype html|html|\?xml)", re.IGNORECASE)
_BEGINNINGS = {b"", b"{", b"[", b"<", b"B", b"P"} | {sign[:1] for sign, _ in _MAGIC + _MAGIC_WITH_NUL}
_NO_TABLES = {
    "a program": "exe dll so dylib msi com bat cmd sh ps1 jar class apk deb rpm dmg iso bin",
    "an image": "png jpg jpeg gif bmp webp tif tiff svg ico heic avif psd",
    "a sound or a film": "mp3 mp4 wav ogg flac avi mov mkv webm",
    "an archive; unpack it first": "zip tgz bz2 xz 7z rar tar",
    "a spreadsheet; save the sheet as xlsx or CSV and send that": "xlsb xls ods numbers",
    "a document": "pdf doc docx ppt pptx odt odp rtf html htm xml",
    "a data file that is no CSV": "feather arrow orc avro sqlite sqlite3 db h5 hdf5 pkl pickle npy npz",
}
_SUFFIXES = {f".{suffix}": what for what, suffixes in _NO_TABLES.items() for suffix in suffixes.split()}


def by_name(name: str) -> Fault | None:
    """The fault of a file name that is surely no table's; unknown suffixes are fine."""
    name = plain_name(name)
    suffix = "." + name.rsplit(".", 1)[-1].strip().lower() if "." in name else ""
    what = _SUFFIXES.get(suffix)
    return Fault(code="file_name", detail=f"A file named *{suffix} is {what}.") if what else None


def may_change(head: bytes, text: bytes) -> bool:
    """Whether what follows may tell more of what this is. *text* is the head as UTF-8, as far as it is text."""
    if len(head) >= HEAD or head.startswith(_SIGNS) or _NAMELESS.match(head):
        return False
    return len(head) < _FEWEST or head[:1] in _BEGINNINGS or text.lstrip()[:1] in _BEGINNINGS


def by_content(head: bytes, text: bytes) -> Fault | None:
    """The fault of bytes that begin as some other kind of file does."""
    what = _seems(head, text)
    return Fault(code="binary_content", detail=f"This is no table; it seems to be {what}.") if what else None


def format_of(head: bytes, text: bytes) -> Format:
    """In which way a table is written that begins with *head*, which is *text* as far as it is any."""
    if head.startswith(_ZIP) and not (b"word/" in head or b"ppt/" in head or _NAMELESS.match(head)):
        return Format.XLSX if any(mark in head for mark in _SHEETS) else Format.CSV
    if head.startswith(b"PAR1") and b"\0" in head:
        return Format.PARQUET
    json = _JSON.match(text)
    return Format.JSONL if json and not json["array"] else Format.CSV


def _seems(head: bytes, text: bytes) -> str | None:
    if head.startswith(_ZIP):
        return _zip(head)
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "a bzip2 archive; unpack it first"
    if _PAGE.match(text):
        return "a web page or an XML document"
    if (json := _JSON.match(text)) and json["array"]:
        return "a JSON array; write its objects one a line (JSON Lines)"
    magic = _MAGIC + (_MAGIC_WITH_NUL if b"\0" in head else ())
    return next((what for start, what in magic if head.startswith(start)), None)


def _zip(head: bytes) -> str:
    if b"word/" in head or b"ppt/" in head:
        return "an Office document"
    return "a zip archive; unpack it first"
