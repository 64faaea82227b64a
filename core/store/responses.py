"""Answers of the Responses dialect between turns: rows of an account, encrypted, bounded in time and size."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from core.store.database import Database
from core.store.models import KeptResponse
from core.store.secrets import Vault

COMPRESSION = 1
"""Fast: what is kept is read seldom."""
CLEAN_SECONDS = 60
"""Between two looks for rows that ended."""
CLEAN_MOST = 1000
"""Rows that are cleaned away at once."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An answer: what it was made from and the response object (JSON), or the channel whose vendor keeps it."""

    user_id: int
    response_id: str
    previous_id: str = ""
    input_json: bytes = b""
    response_json: bytes = b""
    channel_id: int = 0
    key_index: int = 0

    @property
    def size(self) -> int:
        """Bytes that count for the account's limit."""
        return len(self.input_json) + len(self.response_json)


class Responses:
    """One row an answer. Reading one lets it, and what it follows, live on."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._cleaned = 0.0

    def sealed(self, turn: Turn) -> bytes | None:
        """A turn's content as it is stored: CPU for large ones, so not on the event loop."""
        if turn.channel_id:
            return None
        both = len(turn.input_json).to_bytes(8, "big") + turn.input_json + turn.response_json
        return self._vault.seal(zlib.compress(both, COMPRESSION))

    def _open(self, row: KeptResponse) -> Turn:
        source, response = b"", b""
        if row.content is not None:
            both = zlib.decompress(self._vault.unseal(bytes(row.content)))
            end = 8 + int.from_bytes(both[:8], "big")
            source, response = both[8:end], both[end:]
        return Turn(
            int(row.user_id), str(row.response_id), str(row.previous_id), source, response, int(row.channel_id),
            int(row.key_index),
        )  # fmt: skip

    async def keep(self, turns: Sequence[tuple[Turn, bytes | None]], seconds: int, most: int) -> None:
        """Keeps several (with what sealed() made of them). An account holds most bytes: the oldest go first."""
        now = int(time.time())
        clean = now - self._cleaned >= CLEAN_SECONDS

        def run() -> None:
            rows = [
                {
                    "user_id": turn.user_id, "response_id": turn.response_id, "previous_id": turn.previous_id,
                    "channel_id": turn.channel_id, "key_index": turn.key_index, "content": content,
                    "size": turn.size, "created_at": now, "expires_at": now + seconds,
                }
                for turn, content in turns
            ]  # fmt: skip
            # One id twice: the vendor said it again, or somebody makes them up. The first stays.
            KeptResponse.insert_many(rows).on_conflict_ignore().execute()
            for user_id in {turn.user_id for turn, content in turns if content is not None}:
                self._trim(user_id, most)
            if clean:
                ended = KeptResponse.select(KeptResponse.id).where(KeptResponse.expires_at <= now).limit(CLEAN_MOST)
                ids = [row.id for row in ended]
                if ids:
                    KeptResponse.delete().where(KeptResponse.id.in_(ids)).execute()

        await self._database.write(run)
        if clean:
            self._cleaned = now

    @staticmethod
    def _trim(user_id: int, most: int) -> None:
        mine = KeptResponse.user_id == user_id
        held = 0
        sizes = KeptResponse.select(KeptResponse.id, KeptResponse.size).where(mine, KeptResponse.size > 0)
        for row in sizes.order_by(KeptResponse.id.desc()):
            held += int(row.size)
            if held > most:
                KeptResponse.delete().where(mine, KeptResponse.size > 0, KeptResponse.id <= row.id).execute()
                return

    async def history(self, user_id: int, response_id: str, depth: int, most: int, seconds: int) -> list[Turn]:
        """A turn and those it follows, newest first, at most depth of them and most bytes; [] where there is none.

        The list ends with a turn whose previous_id is not empty where what it follows is gone, or is too much.
        """
        now = int(time.time())

        def run() -> tuple[list[KeptResponse], bool]:
            found: list[KeptResponse] = []
            wanted, held, soon = response_id, 0, False
            while wanted and len(found) < depth:
                row = KeptResponse.get_or_none(
                    KeptResponse.user_id == user_id, KeptResponse.response_id == wanted, KeptResponse.expires_at > now
                )
                if row is None or (held := held + int(row.size)) > most:
                    break
                soon = soon or int(row.expires_at) - now < seconds * 3 // 4
                found.append(row)
                wanted = str(row.previous_id)
            return found, soon

        rows, soon = await self._database.read(run)
        if soon:
            ids = [row.id for row in rows]
            await self._database.write(
                lambda: KeptResponse.update(expires_at=now + seconds).where(KeptResponse.id.in_(ids)).execute()
            )
        return [self._open(row) for row in rows]

    async def delete(self, user_id: int, response_id: str) -> bool:
        """Whether there was one."""
        mine = (KeptResponse.user_id == user_id) & (KeptResponse.response_id == response_id)
        return bool(await self._database.write(lambda: KeptResponse.delete().where(mine).execute()))
