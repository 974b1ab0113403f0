"""Is this a table, and how is it written? Pure Python over its bytes as they stream by; it keeps a window of them.

It knows where rows end and what the columns are called, never what a kind makes of them: values are the reader's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from protocol.intake import disguises, heading, quotes, scanning
from protocol.intake.decoding import UTF8, Decoder, Plain, Undecodable, decoded, is_plain, nul_byte
from protocol.intake.heading import prepare
from protocol.intake.layout import MAX_HEADER, BadTable, Format, Layout, ReadOptions
from protocol.intake.unpacking import compression_of
from protocol.intake.watching import Watch
from protocol.intake.windows import Windows
from protocol.job import Fault, Finding
from protocol.kinds import NeededColumn

__all__ = ["BadTable", "Inspector", "Layout", "ReadOptions", "check_columns", "prepare"]

_WINDOW = 256 * 1024  # judged at fixed places, so that the verdict does not depend on how the blocks came
_HEAD = MAX_HEADER + _WINDOW
_BEYOND = re.compile(rb"[\x80-\xff]")


class Inspector:
    """Feed it a file's bytes in order; it raises BadTable as soon as there is no hope, and knows the layout at the end.

    Where it may come *packed*, a compressed one is not looked at: it is `packed` then, and nothing else is told.
    Where *marks* is given, it is filled with places, in order, from which the table can be followed again.
    A block of 64 KiB to 1 MiB costs a few milliseconds; a table whose rows all have too many cells, up to 30 a MiB.
    """

    def __init__(
        self,
        options: ReadOptions,
        *,
        name: str,
        count: scanning.Count = bytes.count,
        plain: Plain = is_plain,
        marks: list[scanning.Scanner] | None = None,
        packed: bool = False,
    ) -> None:
        self._options, self._name, self._marks = options, name, marks
        self._count, self._is_plain = count, plain
        self._decoder = Decoder(None)
        self._begun = False
        self._first: bytes | None = b""  # as long as it is not known what that begins
        self._may_be_packed, self._next_look = packed, 0
        self.packed = False
        self._format, self._blind, self._size = Format.CSV, False, 0
        self._pending = Windows()
        self._watch: Watch | None = None
        self._beyond: int | None = None  # the first line with more than ASCII
        self._faults: list[Fault] = []

    def feed(self, block: bytes) -> None:
        if not self._begun:
            self._begin()
        self._size += len(block)
        if self._first is not None and not (block := self._look_first(self._first + block)):
            return
        if self._blind:
            return
        self._accept(block)
        while self._pending.size >= (size := _WINDOW if self._watch else _HEAD):
            self._judge(size)

    def finish(self) -> Layout:
        """The layout; BadTable with all faults, the header's before the rows'."""
        self._look_last()
        if self._format is not Format.CSV:
            return self._recognised()
        self._accept(b"", final=True)
        self._judge(self._pending.size, final=True)
        return self._layout() or self._fail()

    def glance(self) -> Layout:
        """The layout as far as the bytes so far tell it: more may follow. Feed no more then."""
        self._look_last()
        if self._format is not Format.CSV:
            return self._recognised()
        self._judge(self._pending.size)
        return self._layout() or self._fail()

    def _begin(self) -> None:
        if fault := disguises.by_name(self._name):
            raise BadTable(415, (fault,))
        self._decoder, self._begun = Decoder(self._options.encoding, self._is_plain), True

    def _look_first(self, first: bytes, *, final: bool = False) -> bytes:
        """All that came so far, once that tells what it is; until then it is held back, and nothing is given."""
        if final or len(first) >= self._next_look:
            if self._recognise(first[: disguises.HEAD], final=final):
                self._first = None
                return first
            self._next_look = min(2 * len(first), disguises.HEAD)  # whoever sends byte by byte costs no look for each
        self._first = first
        return b""

    def _look_last(self) -> None:
        """There will not be more."""
        if not self._begun:
            self._begin()
        if self._first and (held := self._look_first(self._first, final=True)) and not self._blind:
            self._accept(held)

    def _recognise(self, head: bytes, *, final: bool) -> bool:
        """Whether it is known what begins so."""
        if self._may_be_packed and compression_of(head):
            self._blind = self.packed = True
            return True
        text, _ = decoded(head, self._options.encoding)
        if not final and disguises.may_change(head, text):
            return False
        self._format = disguises.format_of(head, text)
        self._blind = self._format is not Format.CSV
        if not self._blind and (fault := disguises.by_content(head, text)):
            raise BadTable(415, (fault,))
        return True

    def _recognised(self) -> Layout:
        told = Finding(what="format", value=self._format, why="its first bytes")
        return Layout(
            encoding=UTF8,
            delimiter=",",
            header=(),
            rows_begin=0,
            first_line=1,
            size=self._size,
            lines=1,
            findings=(told,),
            format=self._format,
        )

    def _accept(self, block: bytes, *, final: bool = False) -> None:
        try:
            text = self._decoder.feed(block, final=final)
        except Undecodable as exc:
            self._refuse_encoding(exc, block)
        if not self._decoder.plain:
            self._refuse_nul(text, block)
            if self._beyond is None and not text.isascii() and (first := _BEYOND.search(text)):
                self._beyond = self._line_now(text[: first.start()])
        self._pending.add(quotes.disguise(text, self._options.mark))

    def _refuse_encoding(self, exc: Undecodable, block: bytes) -> None:
        self._refuse_nul(exc.valid, exc.valid)
        if exc.encoding == UTF8 and b"\0" in block:
            detail = "This is no table: it is neither UTF-8 nor any other text, for it holds NUL bytes."
            raise BadTable(415, (Fault(code="binary_content", detail=detail),))
        self._pending.add(quotes.disguise(exc.valid, self._options.mark))
        line = self._line_now()
        seen = self._pending.waiting()
        if self._watch or scanning.line_ends(seen.lstrip()):  # a header that breaks off here names no columns
            self._see(seen, final=False)
        self._fail(exc.fault(line))

    def _refuse_nul(self, text: bytes, block: bytes) -> None:
        if (at := text.find(b"\0")) >= 0:
            hint, wide = "", str(self._decoder.encoding).startswith(("utf-16", "utf-32"))
            if not wide and block[:64].count(b"\0") * 3 > len(block[:64]):
                hint = " It may be UTF-16 without a byte order mark: declare encoding=utf-16-le or utf-16-be."
            raise BadTable(415, (nul_byte(self._line_now(text[:at]), hint),))

    def _line_now(self, more: bytes = b"") -> int:
        """The physical line at which the pending bytes end, and *more* that follow them."""
        before = self._watch.held if self._watch else b""
        return (self._watch.line if self._watch else 1) + scanning.line_ends(before + self._pending.waiting() + more)

    def _judge(self, size: int, *, final: bool = False) -> None:
        self._see(self._pending.take(size), final=final)
        if self._faults:
            self._fail()

    def _see(self, window: bytes, *, final: bool) -> None:
        if self._watch is None:
            self._open(window)
        if self._watch:
            self._faults += self._watch.see(window, final=final)
            if self._marks is not None:
                self._marks.append(self._watch.place())

    def _open(self, head: bytes) -> None:
        found = heading.find(head, self._options)
        if isinstance(found, Fault):
            self._fail(found)
        else:
            self._watch = self._watch_from(found)
            self._faults += heading.faults(found.names, found.line)

    def _watch_from(self, found: heading.Heading) -> Watch:
        options, skipped = self._options, self._decoder.skipped
        return Watch(found, skipped=skipped, surplus=options.surplus, quote=options.mark, count=self._count)

    def _fail(self, *more: Fault) -> NoReturn:
        raise BadTable(422, (*self._faults, *more), self._layout())

    def _layout(self) -> Layout | None:
        if self._watch is None:
            return None
        return self._watch.layout(self._decoder.encoding or UTF8, self._decoder.finding(self._beyond))


def check_columns(
    layout: Layout, needed: Iterable[NeededColumn], params: Mapping[str, Any], columns: Mapping[str, str] | None = None
) -> tuple[Fault, ...]:
    """What the header lacks of the needed columns, all of it, and which column is asked for twice.

    *columns* maps needed names to those in the file, where they differ.
    """
    asked = [column.name_for(dict(params)) for column in needed]
    names = [(columns or {}).get(name, name) for name in asked]
    missing = [_missing(name, wanted, layout.header) for wanted, name in dict(zip(asked, names, strict=True)).items()]
    twice = [_twice(name) for name in dict.fromkeys(names) if names.count(name) > 1]
    return (*(fault for fault in missing if fault), *twice)


def _missing(name: str, wanted: str, header: tuple[str, ...]) -> Fault | None:
    if name in header:
        return None
    folded = {other.casefold(): other for other in header}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    hint = f"; did you mean {folded[close[0]]!r}?" if close else "."
    shown = ", ".join(header[:20]) + (", …" if len(header) > 20 else "")  # noqa: PLR2004
    what = f"The column {name!r}" if name == wanted else f"The column {name!r}, which is to be {wanted!r},"
    return Fault(code="missing_column", detail=f"{what} is missing. The header has: {shown}{hint}", column=name)


def _twice(name: str) -> Fault:
    detail = f"The column {name!r} is asked for twice; each needs a column of its own."
    return Fault(code="column_used_twice", detail=detail, column=name)
