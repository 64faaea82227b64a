"""Answers on their way into the database: found before they are written, bounded, never in a request's way."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from core.pipeline import kept as module
from core.pipeline.kept import PENDING_MOST, TURN_MOST, Kept
from core.store.responses import Turn


class Rows:
    """A store that takes its time, or fails."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str], Turn] = {}
        self.batches: list[int] = []
        self.go = asyncio.Event()
        self.fails = 0

    def sealed(self, turn: Turn) -> bytes | None:
        return b""

    async def keep(self, turns: list[tuple[Turn, bytes | None]], seconds: int, most: int) -> None:
        await self.go.wait()
        if self.fails:
            self.fails -= 1
            raise RuntimeError("no database")
        self.batches.append(len(turns))
        self.rows |= {(turn.user_id, turn.response_id): turn for turn, _ in turns}

    async def history(self, user_id: int, response_id: str, depth: int, most: int, seconds: int) -> list[Turn]:
        found: list[Turn] = []
        while response_id and len(found) < depth and (turn := self.rows.get((user_id, response_id))):
            found.append(turn)
            response_id = turn.previous_id
        return found

    async def delete(self, user_id: int, response_id: str) -> bool:
        return self.rows.pop((user_id, response_id), None) is not None


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def kept(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setattr(module, "PATIENCE", (0.01, 0.02))
    monkeypatch.setattr(module, "LINGER", 0.0)
    options = SimpleNamespace(keep_responses=True, keep_responses_seconds=10, keep_responses_bytes=1000)
    store: Any = SimpleNamespace(responses=rows)
    made: Any = options
    return Kept(store, lambda: made)


async def test_found_at_once_and_written_together(kept: Kept, rows: Rows) -> None:
    assert kept.keep(Turn(1, "a", "", b"1", b"2"))
    assert kept.keep(Turn(1, "b", "a", b"1", b"2"))
    assert [turn.response_id for turn in await kept.find(1, "b", history=True)] == ["b", "a"]
    assert [turn.response_id for turn in await kept.find(1, "b")] == ["b"]
    assert await kept.find(2, "b") == []
    rows.go.set()
    await kept.close()
    assert rows.batches == [2]
    # Half of a conversation is in the database, half is not.
    rows.go.clear()
    kept.keep(Turn(1, "c", "b", b"1", b"2"))
    assert [turn.response_id for turn in await kept.find(1, "c", history=True)] == ["c", "b", "a"]
    rows.go.set()
    await kept.close()


async def test_what_another_worker_writes_is_waited_for(kept: Kept, rows: Rows) -> None:
    looking = asyncio.ensure_future(kept.find(1, "late"))
    await asyncio.sleep(0)
    rows.rows[1, "late"] = Turn(1, "late", "", b"1", b"2")
    assert [turn.response_id for turn in await looking] == ["late"]


async def test_forgotten_though_it_is_being_written(kept: Kept, rows: Rows) -> None:
    kept.keep(Turn(1, "a", "", b"1", b"2"))
    forgetting = asyncio.ensure_future(kept.forget(1, "a"))
    await asyncio.sleep(0)
    rows.go.set()
    assert await forgetting
    assert await kept.find(1, "a") == []
    assert not await kept.forget(1, "a")


async def test_a_database_that_fails_loses_answers_and_nothing_else(kept: Kept, rows: Rows) -> None:
    rows.fails = 1
    rows.go.set()
    kept.keep(Turn(1, "a", "", b"1", b"2"))
    await kept.close()
    kept.keep(Turn(1, "b", "", b"1", b"2"))
    await kept.close()
    assert list(rows.rows) == [(1, "b")]
    assert not kept._pending
    assert kept._held == 0


async def test_bounds(kept: Kept, rows: Rows) -> None:
    assert not kept.keep(Turn(1, "large", "", b"", b"x" * (TURN_MOST + 1)))
    taken = 0
    while kept.keep(Turn(1, f"{taken}", "", b"", b"x" * (4 << 20))):
        taken += 1
    assert 0 < taken <= PENDING_MOST // (4 << 20)
    rows.go.set()
    await kept.close()
    assert kept._held == 0
    assert kept.keep(Turn(1, "again", "", b"", b"x"))
    await kept.close()


async def test_the_option(rows: Rows) -> None:
    off: Any = SimpleNamespace(keep_responses=False)
    store: Any = SimpleNamespace(responses=rows)
    assert not Kept(store, lambda: off).keep(Turn(1, "a", "", b"1", b"2"))
