"""What the operators' commands do: ask the server, and say what came of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from client import exits, keyring, screen
from client.administration import Pruning
from protocol import config, signing, webhooks


@dataclass(frozen=True)
class Rules:
    """Which files go; without any rule the server's own hold."""

    older_than: str | None = None
    max_size: str | None = None
    dry_run: bool = False

    def query(self) -> dict[str, str]:
        given = {"older_than": self.older_than, "max_size": self.max_size}
        return {"dry_run": str(self.dry_run).lower()} | {name: text for name, text in given.items() if text}


async def prune(server: str | None, key_file: Path | None, rules: Rules, *, as_json: bool) -> int:
    async with keyring.reach(server, key_file) as there:
        pruning = await there.prune(**rules.query())
    if as_json:
        sys.stdout.write(pruning.model_dump_json() + "\n")
    else:
        _show(pruning, dry_run=rules.dry_run)
    return exits.Exit.SUCCEEDED


def _show(pruning: Pruning, *, dry_run: bool) -> None:
    rows = [(one.id, f"{one.finished_at:%Y-%m-%d %H:%M} UTC", one.bytes) for one in pruning.jobs]
    if rows:
        screen.table(("job", "ended", "bytes"), rows)
    whose = "1 job" if pruning.count == 1 else f"{pruning.count:,} jobs"
    would = "would be removed" if dry_run else "are removed"
    screen.say(f"The files of {whose} ({pruning.bytes:,} bytes) {would}.")


async def tell_webhook_secret() -> int:
    """What receivers check webhooks with; where somebody rotates it, the new one."""
    [key, *_] = signing.webhook_keys(config.load())
    sys.stdout.write(webhooks.spell_secret(key) + "\n")
    return exits.Exit.SUCCEEDED
