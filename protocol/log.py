"""How log lines look: every logger is the standard library's, and this is the one place that dresses their lines."""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import AbstractContextManager
from typing import IO, Literal

import structlog

Format = Literal["console", "json"]
NOISY = ("aiohttp.access", "asyncio")
SILENT = ("aiormq", "aio_pika")  # a traceback for each try to connect; the transport says once that the broker is gone


def configure(form: Format = "console", level: int = logging.INFO) -> None:
    """Send all log lines to stderr, one each: for eyes, or as JSON objects. What came as `extra` becomes fields."""
    handler = _Stderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_look(form)],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    if not sys.warnoptions:  # one that quotes a request is no line of ours, and Python would remember each for ever
        warnings.simplefilter("ignore")
    logging._srcfile = None  # noqa: SLF001 - so the library's manual, where no line tells its place
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for name in NOISY:  # their every request and reconnect is a line; ours say the same with the job's id
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def about(**fields: str | None) -> AbstractContextManager[None]:
    """Each line of this task, and of those that it starts meanwhile, gets these fields, such as `job`."""
    return structlog.contextvars.bound_contextvars(**{name: value for name, value in fields.items() if value})


class _Stderr(logging.StreamHandler[IO[str]]):
    """Looks up stderr for each line, so that lines appear above a progress bar that is being drawn."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> IO[str]:
        return sys.stderr

    @stream.setter
    def stream(self, _stream: IO[str]) -> None:
        """Fixed: see above."""


def _look(form: Format) -> list[structlog.types.Processor]:
    if form == "json":
        return [
            structlog.processors.EventRenamer("message"),
            structlog.processors.ExceptionRenderer(  # locals would show keys and people's rows
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    plain = structlog.dev.plain_traceback
    return [_on_one_line, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]


def _on_one_line(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Names of files and columns get into log lines; none may forge a line or steer the terminal."""
    return {name: _powerless(name, value) if isinstance(value, str) else value for name, value in event.items()}


def _powerless(name: str, text: str) -> str:
    """A traceback that came from another process keeps its lines; they are indented, so that none looks like ours."""
    if name != "exception":
        return printable(text)
    return "\n".join(f"  {printable(line)}" for line in text.splitlines())


def printable(text: str) -> str:
    """*text* with what is not printable spelled out, such as \\n and \\x1b."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
