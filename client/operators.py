"""The commands for whoever runs a server: prune, health, and the keys.

Only their spelling is here. They ask the running server, because its database is its own.
"""

from __future__ import annotations

from typing import Annotated

import typer

from client.commands import Json, KeyFile

app = typer.Typer()
keys = typer.Typer(no_args_is_help=True, help="Make, list, rotate and revoke API keys.")
OwnServer = Annotated[
    str | None,
    typer.Option("--server", "-s", metavar="URL", envvar="ROWMILL_SERVER", help="Where Rowmill is; default: here."),
]
Name = Annotated[str, typer.Argument(help="Whom the key is for; jobs belong to this name.")]


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
    server: OwnServer = None,
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


@app.command("webhook-secret")
def webhook_secret() -> None:
    """Print the secret with which receivers check webhooks, by the settings of the server."""
    from client import exits, upkeep  # noqa: PLC0415

    exits.run(upkeep.tell_webhook_secret())


@keys.command()
def add(
    ctx: typer.Context,
    name: Name,
    *,
    scope: Annotated[list[str], typer.Option(help="submit, read, admin; with commas or repeated.")] = ["submit,read"],  # noqa: B006 - typer copies it
    server: OwnServer = None,
    key_file: KeyFile = None,
) -> None:
    """Make a key and print it, this once. From the first key on, everybody needs one."""
    from client import exits, keyring  # noqa: PLC0415

    exits.run(keyring.add(keyring.Place(server, key_file, ctx.obj), name, scope))


@keys.command("list")
def show(ctx: typer.Context, *, as_json: Json = False, server: OwnServer = None, key_file: KeyFile = None) -> None:
    """List all keys, with when they were last used."""
    from client import exits, keyring  # noqa: PLC0415

    exits.run(keyring.show(keyring.Place(server, key_file, ctx.obj), as_json=as_json))


@keys.command()
def rotate(
    ctx: typer.Context,
    name: Name,
    *,
    grace: Annotated[str, typer.Option(metavar="TIME", help="How long the old key still works, such as 1d.")] = "0",
    server: OwnServer = None,
    key_file: KeyFile = None,
) -> None:
    """Make a new key of the same name and print it, this once; the old one ends."""
    from client import exits, keyring  # noqa: PLC0415

    exits.run(keyring.rotate(keyring.Place(server, key_file, ctx.obj), name, grace))


@keys.command()
def revoke(ctx: typer.Context, name: Name, *, server: OwnServer = None, key_file: KeyFile = None) -> None:
    """End a key at once, with its sessions; its jobs stay."""
    from client import exits, keyring  # noqa: PLC0415

    exits.run(keyring.revoke(keyring.Place(server, key_file, ctx.obj), name))
