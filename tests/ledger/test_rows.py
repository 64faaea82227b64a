"""Lots of rows: all of them, in order, in few shapes."""

from __future__ import annotations

from core.ledger.rows import ROWS_PER_STATEMENT, batches


def test_every_row_goes_once_and_in_order() -> None:
    for count in range(300):
        rows = list(range(count))
        assert [row for lot in batches(rows) for row in lot] == rows


def test_an_hour_of_flushes_makes_few_statements() -> None:
    """Memory grew by 5 MB a minute while there was an INSERT for every number of rows."""
    shapes = {len(lot) for count in range(2_000) for lot in batches([0] * count)}
    assert shapes == {1, 2, 4, 8, 16, 32, 64}
    assert max(shapes) == ROWS_PER_STATEMENT
