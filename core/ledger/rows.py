"""How many rows an INSERT takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
ROWS_PER_STATEMENT = 64
"""Some 20 columns a row: far from the 32,766 parameters that SQLite takes, and PostgreSQL's 32,767."""


def batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows in order, in lots of 64, 32, 16, 8, 4, 2 and 1.

    Drivers keep each statement they meet, compiled and with the values it was given last, for each connection: an
    INSERT for every number of rows would be hundreds of them, and memory that grows for hours.
    """
    start, size = 0, ROWS_PER_STATEMENT
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size
