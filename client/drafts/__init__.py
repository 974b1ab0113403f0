"""What `rowmill new-kind` writes: a package with a kind that works, its test, and how Rowmill finds it."""

from __future__ import annotations

from collections.abc import Collection
from importlib.resources import files
from pathlib import Path
from string import Template

from client import screen
from client.exits import Exit, Usage
from protocol.kinds import NAME

FILES = {"kind": "{module}.py", "test": "test_{module}.py", "project": "pyproject.toml"}


async def new_kind(name: str, taken: Collection[str]) -> int:
    """Write the package into a folder of its own here, or say why not; *taken* are the names of kinds that ship."""
    if not NAME.fullmatch(name):
        raise Usage("A kind's name is a small letter and at most 39 more small letters, digits and underscores.")
    if name in taken:
        raise Usage(f"{name} is the name of a kind that ships.")
    folder = _write(name)
    screen.say(f"Written: {', '.join(sorted(path.as_posix() for path in folder.iterdir()))}")
    screen.say(f"Next:  cd {folder}  &&  pip install --no-deps --no-build-isolation --editable .  &&  pytest")
    screen.say(f"Then:  rowmill compare TABLE --kind {name}; rowmill up has the kind once it is started anew.")
    return Exit.SUCCEEDED


def _write(name: str) -> Path:
    words = {
        "name": name,
        "module": f"rowmill_{name}",
        "package": f"rowmill-{name.strip('_').replace('_', '-')}",
        "Title": name.replace("_", " ").strip().capitalize(),
        "ClassParams": f"{''.join(part.capitalize() for part in name.split('_'))}Params",
    }
    folder = Path(words["package"])
    try:
        folder.mkdir()
    except FileExistsError:
        raise Usage(f"{folder} is there already; nothing was written.") from None
    for draft, file in FILES.items():
        text = (files("client.drafts") / f"{draft}.txt").read_text("utf-8")
        (folder / file.format_map(words)).write_text(Template(text).substitute(words), "utf-8")
    return folder
