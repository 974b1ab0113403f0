"""Where the rejected rows of a job lie while it runs, piece by piece; at its end they are joined as rejected.csv."""

from __future__ import annotations


def folder(result_prefix: str) -> str:
    """Under which the pieces lie, as many as there are yet: each named after the number of its chunk."""
    return f"{result_prefix}work/rejected/"


def header(result_prefix: str) -> str:
    """The first line of the file that they will be."""
    return f"{folder(result_prefix)}header"
