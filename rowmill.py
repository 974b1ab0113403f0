"""The command, and the composition root: the only file that knows both sides.

Cheap to import, because every worker process may do so: what is heavy is imported by the command that needs it.
"""

from __future__ import annotations

# ruff: noqa: PLC0415
import asyncio
import gc
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client import commands, interruption, operators

if TYPE_CHECKING:
    from protocol.config import Settings
    from protocol.findings import Finding

log = logging.getLogger("rowmill")
BOTH = ("service", "consumer")
YOUNG = 10_000  # objects that are made between two collections; the usual 700 are less than a request takes
EPILOG = """\b
Exit codes: 0 succeeded, 1 the job failed or doctor found a fault, 2 wrong usage or settings, 3 refused by the server,
4 server not reached or in trouble, 5 the job was cancelled, 70 a fault in Rowmill, 130 interrupted."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer calls it so
    if asked:
        from importlib.metadata import version

        print(f"rowmill {version('rowmill')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a fault.")] = False,
) -> None:
    """Hand Rowmill a table; it does the heavy pandas work in the background and tells you exactly how it goes."""


Host = Annotated[str | None, typer.Option("--host", help="The address to listen on (ROWMILL_HOST).")]
Port = Annotated[int | None, typer.Option("--port", help="The port to listen on, 0 for a free one (ROWMILL_PORT).")]


app.add_typer(commands.app)
app.add_typer(operators.app)


def keys_at_rest(settings: Settings) -> AbstractAsyncContextManager[Any]:
    """The keys of a service that does not run, or Taken."""
    from service.door.keys import at_rest

    return at_rest(settings)


app.add_typer(operators.keys, name="keys", context_settings={"obj": keys_at_rest})


@app.command()
def up(*, host: Host = None, port: Port = None) -> None:
    """Run everything in this process: the web service and the consumer. Ctrl-C stops it, twice at once."""
    _serve(*BOTH, host=host, port=port)


@app.command()
def service(*, host: Host = None, port: Port = None) -> None:
    """Run the web service alone; consumers elsewhere run the jobs. It needs a broker (ROWMILL_BROKER_URL)."""
    _serve("service", host=host, port=port)


@app.command()
def consumer() -> None:
    """Run jobs, without a web service. It needs a broker (ROWMILL_BROKER_URL)."""
    _serve("consumer")


@app.command()
def demo() -> None:
    """Start everything, submit a sample table, show how it goes, and serve on (DEMO_EXIT=1: leave)."""
    from client import exits

    exits.run(_demo(leave=bool(os.environ.get("DEMO_EXIT")) or not sys.stdout.isatty()))


@app.command()
def doctor(
    *, as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON on stdout.")] = False
) -> None:
    """Examine all that these settings name, and say what to do: broker, rights, database, files, mail, compiled code.

    Exit code 1: something is wrong.
    """
    from client import examination, exits

    exits.run(examination.report(lambda: _examine(configure(*BOTH, level=logging.CRITICAL)), as_json=as_json))


def _examine(settings: Settings) -> Mapping[str, Awaitable[Sequence[Finding]]]:
    from consumer import examination
    from protocol import databases, files, records, transports

    return {
        "broker": transports.examine(settings.broker_url),
        "database": databases.examine(settings.database_url),
        "files": files.examine(settings.files_url),
        "records": records.examine(settings.records_url),
        **examination.begin(settings),
    }


@app.command()
def compare(
    file: Annotated[Path, typer.Argument(help="A table, such as sales.csv.")],
    *,
    kind: commands.KindName = "profile",
    param: commands.Param = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what each way took as JSON on stdout.")] = False,
) -> None:
    """Run a job in one process, then in the pool, and show what each takes. Needs no server and leaves nothing."""
    from client import comparing, errands, exits
    from consumer.lap import comparison

    asked = errands.Asked(file=file, kind=kind, params=param or [])
    exits.run(comparing.compare(asked, comparison.plan, comparison.run, as_json=as_json))


@app.command()
def new_kind(name: Annotated[str, typer.Argument(help="What to call it, such as weather.")]) -> None:
    """Write a package with a kind of your own and its test into a folder here (docs/kinds.md)."""
    from client import drafts, exits
    from consumer import origins

    exits.run(drafts.new_kind(name, origins.ours()))


def _serve(*sides: str, **given: Any) -> None:
    from client import exits

    async def main() -> int:
        settings = configure(*sides, **given)
        with interruption.expected() as stop:
            await compose(settings, *sides, stop=stop, ready=lambda url: log.info("ready", extra={"url": url}))
        return exits.Exit.SUCCEEDED

    exits.run(main())


async def _demo(*, leave: bool) -> int:
    from client import demo, exits

    settings = demo.fit(configure(*BOTH, level=logging.WARNING))
    url = asyncio.get_running_loop().create_future()
    with interruption.expected() as stop:
        async with asyncio.TaskGroup() as group:
            group.create_task(compose(settings, *BOTH, stop=stop, ready=url.set_result))
            showing = group.create_task(demo.show(url, settings))
            stopped = group.create_task(stop.wait())
            await asyncio.wait((showing, stopped), return_when=asyncio.FIRST_COMPLETED)
            if leave or stop.is_set() or showing.result() is not exits.Exit.SUCCEEDED:
                stop.set()
            else:
                demo.serving_on(url.result())
            showing.cancel()
    return exits.Exit.INTERRUPTED if showing.cancelled() else showing.result()


def configure(*sides: str, level: int = logging.INFO, **given: Any) -> Settings:
    """The settings and the look of the log, or BadConfig."""
    from protocol import adapters, config
    from protocol import log as lines

    settings = config.load(**{name: value for name, value in given.items() if value is not None})
    lines.configure(settings.log_format, level)
    if sides != BOTH and settings.broker_url.startswith("embedded:"):
        raise adapters.BadConfig(
            "ROWMILL_BROKER_URL: embedded:// reaches no other process. `rowmill up` runs both sides in one; "
            f"`rowmill {sides[0]}` alone needs a broker."
        )
    return settings


async def compose(settings: Settings, *sides: str, stop: asyncio.Event, ready: Callable[[str], object]) -> None:
    """Open what the sides share and run them until *stop* is set; *ready* gets the page's address."""
    if "consumer" in sides:
        from consumer.executors import processes
        from consumer.mails import mailer

        processes.prepare(patient="service" not in sides)  # first: loading pandas is half of starting, beside all else
        mailer.check(settings)  # before anybody is told that all is ready
    from protocol.databases import open_database
    from protocol.files import open_files
    from protocol.metrics import make_registry, shown
    from protocol.pulse import beating
    from protocol.transports import open_transport

    settings.data_dir.mkdir(0o700, parents=True, exist_ok=True)  # what lies there is for no one else's eyes
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings.database_url))
        files = await stack.enter_async_context(open_files(settings.files_url))
        transport = await stack.enter_async_context(open_transport(settings.broker_url))
        registry = make_registry()
        await stack.enter_async_context(shown(registry, settings.host, settings.metrics_port))
        parts = (settings, database, files, transport)
        async with asyncio.TaskGroup() as group:
            address = ""
            if "service" in sides:
                from service import app as front

                url = asyncio.get_running_loop().create_future()
                group.create_task(front.run(*parts, stop=stop, ready=url.set_result, registry=registry), name="service")
                address = await url  # a port that is taken is said before any worker starts
                ready(address)
            if "consumer" in sides:
                from consumer import app as mill

                group.create_task(mill.run(*parts, stop=stop, registry=registry), name="consumer")
            gc.freeze()  # what starting has made stays: not to be looked through again and again,
            gc.set_threshold(YOUNG)  # nor what is new every few milliseconds
            async with beating(settings, address):
                await stop.wait()


def main() -> None:
    app(prog_name="rowmill")


if __name__ == "__main__":
    main()
