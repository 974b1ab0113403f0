"""Which line of a kind's code an error comes from, told without any path of this machine."""

from __future__ import annotations

import os
import traceback

from consumer.origins import NoKind, origins

MACHINERY = "importlib."


def place(error: BaseException, kind: str) -> str:
    """`rowmill_weather/kind.py:12`: the last line of the kind's own code, else of any; or nothing."""
    if isinstance(error, SyntaxError | NoKind):
        return ""  # it says itself where it is
    lines = [
        (str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    home = origins()[kind].home if kind in origins() else ""
    own = [line for line in lines if home and (line[0] == home or line[0].startswith(f"{home}."))]
    any_other = [line for line in lines if not line[0].startswith(MACHINERY)]
    return _said(*(own or any_other)[-1]) if own or any_other else ""


def _said(module: str, filename: str, line: int) -> str:
    file = os.path.basename(filename)  # noqa: PTH119
    folders = module.split(".")[: None if file == "__init__.py" else -1]
    return f"{'/'.join([*folders, file])}:{line}"
