"""Work in stages: small jobs go through each of them together, because code that has just run is still at hand.

A stage ends at a `yield`; it is worth one if it takes a small job some tenths of a millisecond. Runs in the pool.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Stages: TypeAlias = Generator[None, None, T]


def straight(stages: Stages[T]) -> T:
    """What they come to, taken in a row."""
    while True:
        try:
            next(stages)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        except RuntimeError as exc:
            if (error := raised(exc)) is exc:
                raise
            raise error from None


def raised(error: BaseException) -> BaseException:
    """What a stage has raised: a StopIteration leaves it as a RuntimeError."""
    stopped = isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration)
    return error.__cause__ if stopped and error.__cause__ else error
