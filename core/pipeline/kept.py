"""Answers kept between turns: written in batches behind requests, read through what is not written yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from core.state.options import Options
from core.store.responses import Turn
from core.store.store import Store

logger = logging.getLogger("isthmus.kept")

TURN_MOST = 8 << 20
"""Bytes of a turn that is kept; larger ones are not."""
DEPTH_MOST = 512
"""Turns of a conversation that are put together again."""
HISTORY_MOST = 32 << 20
"""Bytes of them."""
PENDING_MOST = 64 << 20
"""Bytes that wait to be written; above, nothing more is taken."""
PENDING_TURNS = 4096
LINGER = 0.1
"""Seconds that turns gather before they are written together."""
BATCH = 64
PATIENCE = (0.1, 0.2, 0.4)
"""Waits before an id is taken to be unknown: another worker may be writing it."""
OVERHEAD = 512
"""Bytes that a turn is counted at least."""


class Kept:
    """One a worker."""

    def __init__(self, store: Store, options: Callable[[], Options]) -> None:
        self._store = store
        self._options = options
        self._pending: dict[tuple[int, str], Turn] = {}
        self._held = 0
        self._writer: asyncio.Task[None] | None = None

    def keep(self, turn: Turn) -> bool:
        """Takes a turn; it is written soon. False where keeping is off, or there is no room."""
        size = turn.size + OVERHEAD
        if not self._options().keep_responses or turn.size > TURN_MOST:
            return False
        if self._held + size > PENDING_MOST or len(self._pending) >= PENDING_TURNS:
            logger.warning("answers are not kept: the database is too slow")
            return False
        if (turn.user_id, turn.response_id) in self._pending:
            return True
        self._pending[turn.user_id, turn.response_id] = turn
        self._held += size
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())
        return True

    async def find(self, user_id: int, response_id: str, *, history: bool = False) -> list[Turn]:
        """A turn, and with history those before it, newest first; [] where nobody knows it."""
        depth = DEPTH_MOST if history else 1
        for wait in (*PATIENCE, 0.0):
            found = await self._look(user_id, response_id, depth)
            if found or not wait:
                return found
            await asyncio.sleep(wait)
        return []

    async def _look(self, user_id: int, response_id: str, depth: int) -> list[Turn]:
        found: list[Turn] = []
        wanted = response_id
        while len(found) < depth and (turn := self._pending.get((user_id, wanted))) is not None:
            found.append(turn)
            wanted = turn.previous_id
            if not wanted:
                return found
        if len(found) < depth:
            most = HISTORY_MOST - sum(turn.size for turn in found)
            seconds = self._options().keep_responses_seconds
            found += await self._store.responses.history(user_id, wanted, depth - len(found), most, seconds)
        return found

    async def forget(self, user_id: int, response_id: str) -> bool:
        """Whether there was one."""
        for wait in (*PATIENCE, 0.0):
            # What is being written is deleted once it is there.
            if (user_id, response_id) not in self._pending:
                return await self._store.responses.delete(user_id, response_id)
            await asyncio.sleep(wait)
        return False

    async def close(self) -> None:
        """Writes what waits."""
        if self._writer is not None:
            await self._writer

    def _sealed(self, turns: list[Turn]) -> list[tuple[Turn, bytes | None]]:
        """Compressed and encrypted: not on the event loop."""
        return [(turn, self._store.responses.sealed(turn)) for turn in turns]

    async def _write(self) -> None:
        await asyncio.sleep(LINGER)
        while self._pending:
            batch = list(self._pending.items())[:BATCH]
            try:
                sealed = await asyncio.to_thread(self._sealed, [turn for _, turn in batch])
                options = self._options()
                await self._store.responses.keep(sealed, options.keep_responses_seconds, options.keep_responses_bytes)
            except Exception:
                # An answer that is not kept is told so when it is asked for; requests go on.
                logger.exception("could not keep answers")
            for key, turn in batch:
                del self._pending[key]
                self._held -= turn.size + OVERHEAD
