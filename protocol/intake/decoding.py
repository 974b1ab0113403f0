"""A table's bytes as UTF-8: strict, in bounded memory, and with the place of the first byte that does not decode."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator

from protocol.intake.layout import BadTable
from protocol.job import Fault, Finding

Plain = Callable[[bytes], bool]  # whether some are ASCII and none is NUL; whoever has a faster way may bring it

UTF8 = "utf-8"
_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST_MARK = 4
_MARKED = ("utf-16", "utf-32")  # of which a mark tells the order of bytes
_NO_TEXT = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf_7", "mbcs", "oem"})


def is_plain(data: bytes) -> bool:
    return data.isascii() and b"\0" not in data


def nul_byte(line: int, hint: str = "") -> Fault:
    return Fault(code="nul_byte", detail=f"Line {line} holds a NUL byte, which no text does.{hint}", line=line)


class Undecodable(Exception):
    """`valid` is the UTF-8 that came before the byte at *offset*."""

    def __init__(self, valid: bytes, encoding: str, byte: int, offset: int) -> None:
        super().__init__(valid, encoding, byte, offset)
        self.valid, self.encoding, self.byte, self.offset = valid, encoding, byte, offset

    def fault(self, line: int) -> Fault:
        detail = f"The byte 0x{self.byte:02X} at offset {self.offset} in line {line} is not {self.encoding.upper()}."
        if self.encoding == UTF8:
            detail += " If the file comes from an older Windows program, declare encoding=cp1252."
        if self.encoding in _MARKED and not self.offset:
            named = f"{self.encoding}-le or {self.encoding}-be"
            detail = f"The file does not begin with a byte order mark: declare {named}."
        return Fault(code="encoding", detail=detail, line=line)


class Decoder:
    """Feed it the bytes of a file, get the table's UTF-8. A byte order mark wins over what was declared.

    `encoding` is None until enough bytes came to know it. A UTF-8 mark of three bytes is left out; `skipped`
    says how many bytes of the file that were. `plain` is whether the last of the table's UTF-8 is known to be.
    """

    def __init__(self, declared: str | None, plain: Plain = is_plain) -> None:
        self._declared, self._is_plain = codec_name(declared) if declared else None, plain
        self.encoding: str | None = None
        self.mark = b""
        self.plain = True
        self._begun, self._offset, self._ended = b"", 0, False

    @property
    def skipped(self) -> int:
        return len(self.mark) if self.encoding == UTF8 else 0

    def finding(self, beyond: int | None) -> Finding:
        """What decided it; *beyond* is the first line with more than ASCII."""
        encoding = self.encoding or UTF8
        if self.mark:
            ignored = f"; the declared {self._declared} does not count" if self._contradicted else ""
            why = f"the file begins with a byte order mark{ignored}"
            return Finding(what="encoding", value=encoding, why=why, line=1)
        why = "declared" if self._declared else f"{'the whole file' if self._ended else 'its beginning'} is valid UTF-8"
        return Finding(what="encoding", value=encoding, why=why, line=beyond)

    def feed(self, block: bytes, *, final: bool = False) -> bytes:
        if self.encoding is None:
            self._begun += block
            if len(self._begun) < _LONGEST_MARK and not final:
                return b""
            block = self._look()
        text = self._decode(block, final=final)
        self._ended = final
        return text

    @property
    def _contradicted(self) -> bool:
        return bool(self._declared) and not str(self._declared).startswith(str(self.encoding))

    def _look(self) -> bytes:
        mark, encoding = next(((m, e) for m, e in _MARKS if self._begun.startswith(m)), (b"", self._declared or UTF8))
        self.mark, self.encoding = mark, encoding
        self._codec = codecs.getincrementaldecoder(encoding)()
        self._offset = self.skipped
        if encoding in _MARKED and self._begun and not mark:
            raise Undecodable(b"", encoding, self._begun[0], 0)
        return self._begun[self.skipped :]

    def _decode(self, block: bytes, *, final: bool) -> bytes:
        pending = len(self._codec.getstate()[0])
        self.plain = self.encoding == UTF8 and not pending and self._is_plain(block)
        if self.plain:
            self._offset += len(block)
            return block
        try:
            text = self._codec.decode(block, final)
        except UnicodeDecodeError as exc:
            valid = exc.object[: exc.start].decode(self._plain, "ignore").removeprefix("\ufeff").encode()
            offset = self._offset - pending + exc.start
            raise Undecodable(valid, str(self.encoding), exc.object[exc.start], offset) from None
        self._offset += len(block)
        return block if self.encoding == UTF8 else text.encode()

    @property
    def _plain(self) -> str:
        """The codec without its mark, for bytes from the middle of the file."""
        little = self.mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF32_LE)
        return f"{self.encoding}-{'le' if little else 'be'}" if self.mark and not self.skipped else str(self.encoding)


def codec_name(declared: str) -> str:
    """Python's name of a declared text encoding, or BadTable."""
    try:
        codec = codecs.lookup(declared)
        known = codec.name.replace("-", "_") not in _NO_TEXT and codec._is_text_encoding  # noqa: SLF001
        codecs.getincrementaldecoder(codec.name)
    except (LookupError, ValueError):
        known = False
    if not known:
        detail = f"{declared!r} is no text encoding that is known here."
        raise BadTable(422, (Fault(code="unknown_encoding", detail=detail, pointer="/params/encoding"),))
    return UTF8 if codec.name == "utf-8-sig" else codec.name


def decoded(data: bytes, declared: str | None) -> tuple[bytes, int]:
    """The beginning of a file as UTF-8, as far as it decodes, and how many bytes of a mark that lacks."""
    if declared is None and is_plain(data):  # which no mark is
        return data, 0
    decoder = Decoder(declared)
    try:
        return decoder.feed(data) or decoder.feed(b"", final=True), decoder.skipped
    except Undecodable as exc:
        return exc.valid, decoder.skipped


def transcode(blocks: Iterable[bytes], declared: str | None) -> Iterator[bytes]:
    """The table in *blocks* as UTF-8 without a mark. It was inspected before: a byte that does not decode is a bug."""
    decoder = Decoder(declared)
    for block in blocks:
        yield decoder.feed(block)
    yield decoder.feed(b"", final=True)
