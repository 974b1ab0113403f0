"""The commands for whoever runs a server: prune, health.

Only their spelling is here. They ask the running server, because its database is its own.
"""

from __future__ import annotations

from typing import Annotated

import typer

from client.commands import DEFAULT_SERVER, Json, KeyFile, Server

app = typer.Typer()


@app.command()
def prune(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    older_than: Annotated[
        str | None, typer.Option(metavar="TIME", help="Files of jobs that ended so long ago, such as 30d.")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="The oldest files beyond so many bytes in all, such as 50GiB.")
    ] = None,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    key_file: KeyFile = None,
) -> None:
    """Remove tables and results of ended jobs, the oldest first; the jobs and their logs stay.

    Without a rule, those of ROWMILL_RETENTION and ROWMILL_RETENTION_SIZE of the server hold.
    """
    from client import exits, upkeep  # noqa: PLC0415

    rules = upkeep.Rules(older_than, max_size, dry_run=dry_run)
    exits.run(upkeep.prune(server, key_file, rules, as_json=as_json))


@app.command()
def health() -> None:
    """Say whether the Rowmill with these settings is alive: it moves and, where it serves, answers."""
    from client import exits  # noqa: PLC0415
    from client import health as pulse  # noqa: PLC0415

    exits.run(pulse.tell())
