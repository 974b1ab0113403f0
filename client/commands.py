"""The commands for people and scripts who have a table and a server: submit, repair, append, watch, kinds.

Only their spelling is here. What they do is imported when one runs, because --help must be instant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer()

TABS = {"tab": "\t", "\\t": "\t"}  # how one types it
DEFAULT_SERVER = "http://127.0.0.1:8080"
Server = Annotated[
    str, typer.Option("--server", "-s", metavar="URL", envvar="ROWMILL_SERVER", help="Where Rowmill is.")
]
KeyFile = Annotated[
    Path | None,
    typer.Option("--key-file", metavar="FILE", envvar="ROWMILL_KEY_FILE", help="A file with an API key of the server."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the job as JSON on stdout, and all else on stderr.")]
File = Annotated[Path, typer.Argument(help="A table, such as sales.csv; - reads stdin.")]
PerhapsFile = Annotated[
    Path | None,
    typer.Argument(help="A table, such as sales.csv; - reads stdin. None where parameters stand in for one (fetch)."),
]
KindName = Annotated[str | None, typer.Option("--kind", "-k", help="What to do with it (see: rowmill kinds).")]
Param = Annotated[
    list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="A parameter; JSON if it parses, else text.")
]
Reading = Annotated[
    list[str] | None,
    typer.Option("-p", metavar="NAME=VALUE", help="How to read the file: encoding, delimiter."),
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", metavar="NAME", help="How the file is encoded; found by looking.")
]
Delimiter = Annotated[
    str | None, typer.Option("--delimiter", metavar="MARK", help="What separates its cells: , ; | or tab.")
]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Whether its first row names the columns.", show_default=False),
]
Quote = Annotated[str | None, typer.Option("--quote", metavar="MARK", help="What surrounds cells: \", ' or none.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column", "-c", metavar="NEEDED=NAME", help="What a needed column is called in the file; repeatable."
    ),
]
Email = Annotated[list[str] | None, typer.Option("--email", "-e", help="Who gets the result; repeatable.")]
Webhook = Annotated[
    list[str] | None, typer.Option("--webhook", metavar="URL", help="What is called when it has ended; repeatable.")
]
Priority = Annotated[Literal["high", "normal", "low"], typer.Option("--priority", help="Which jobs go first.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show how it goes, then the result.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait in silence, then show the result.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Wait, and save the result files here.")]


@app.command()
def submit(
    file: PerhapsFile = None,
    *,
    kind: KindName = None,
    param: Param = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    header: Header = None,
    quote: Quote = None,
    column: Columns = None,
    email: Email = None,
    webhook: Webhook = None,
    priority: Priority = "normal",
    watch: Watch = False,
    wait: Wait = False,
    out: Out = None,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    key_file: KeyFile = None,
) -> None:
    """Submit a table. Without --watch, --wait or --out it prints the job's id and leaves it to run.

    With --watch and --json each version of the job is a line.
    """
    from client import errands, exits  # noqa: PLC0415

    reading = {"encoding": encoding, "delimiter": TABS.get(delimiter or "", delimiter)}
    asked = errands.Asked(
        file=file,
        kind=kind,
        params=param or [],
        emails=email or [],
        webhooks=webhook or [],
        priority=priority,
        reading={**reading, "header": header, "quote": quote},
        columns=column or [],
    )
    wishes = errands.Wishes(watch=watch, wait=wait or out is not None, out=out, as_json=as_json)
    exits.run(errands.submit(server, key_file, asked, wishes))


@app.command()
def repair(
    job: Annotated[str, typer.Argument(metavar="ID", help="The job that rejected rows.")],
    file: Annotated[Path, typer.Argument(help="Its rejected.csv with rows put right; - reads stdin.")],
    *,
    param: Reading = None,
    email: Email = None,
    webhook: Webhook = None,
    priority: Priority = "normal",
    watch: Watch = False,
    wait: Wait = False,
    out: Out = None,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    key_file: KeyFile = None,
) -> None:
    """Merge repaired rows into a job's result: a new job, which reads no more than it must.

    Rows that come back unchanged, or not at all, stay rejected. Only rejected_line and the table's own columns count.
    """
    from client import errands, exits  # noqa: PLC0415

    asked = errands.Asked(
        file=file,
        amends=(job, "repairs"),
        params=param or [],
        emails=email or [],
        webhooks=webhook or [],
        priority=priority,
    )
    wishes = errands.Wishes(watch=watch, wait=wait or out is not None, out=out, as_json=as_json)
    exits.run(errands.submit(server, key_file, asked, wishes))


@app.command()
def append(
    job: Annotated[str, typer.Argument(metavar="ID", help="The job whose table goes on.")],
    file: Annotated[Path, typer.Argument(help="More rows, with the same header; - reads stdin.")],
    *,
    param: Reading = None,
    email: Email = None,
    webhook: Webhook = None,
    priority: Priority = "normal",
    watch: Watch = False,
    wait: Wait = False,
    out: Out = None,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    key_file: KeyFile = None,
) -> None:
    """Merge more rows into a job's result: a new job, as if both files had been one."""
    from client import errands, exits  # noqa: PLC0415

    asked = errands.Asked(
        file=file,
        amends=(job, "additions"),
        params=param or [],
        emails=email or [],
        webhooks=webhook or [],
        priority=priority,
    )
    wishes = errands.Wishes(watch=watch, wait=wait or out is not None, out=out, as_json=as_json)
    exits.run(errands.submit(server, key_file, asked, wishes))


@app.command()
def watch(
    job: Annotated[str, typer.Argument(metavar="ID", help="The job's id.")],
    *,
    out: Out = None,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    key_file: KeyFile = None,
) -> None:
    """Show how a job goes, then its result. With --json each version of the job is a line."""
    from client import errands, exits  # noqa: PLC0415

    exits.run(errands.watch(server, key_file, job, errands.Wishes(watch=True, out=out, as_json=as_json)))


@app.command()
def kinds(*, as_json: Json = False, server: Server = DEFAULT_SERVER, key_file: KeyFile = None) -> None:
    """List what the server can do with a table."""
    from client import errands, exits  # noqa: PLC0415

    exits.run(errands.kinds(server, key_file, as_json=as_json))
