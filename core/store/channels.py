"""Channels: rows with encrypted keys and the states of single keys."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from core.errors import RecordNotFound
from core.store import changes
from core.store.database import Database
from core.store.models import Channel
from core.store.secrets import Vault

LIST_MOST = 100
ENABLED = 1
DISABLED_BY_HAND = 2


def split_keys(text: str) -> list[str]:
    """The keys of a channel: lines, or a JSON array of strings or objects."""
    stripped = text.strip()
    if stripped.startswith("["):
        try:
            items = json.loads(stripped)
        except ValueError:
            items = None
        if isinstance(items, list):
            return [item if isinstance(item, str) else json.dumps(item) for item in items]
    return [line.strip() for line in stripped.splitlines() if line.strip()]


class Channels:
    """Rows come with `key` decrypted."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def _open(self, row: Channel) -> Channel:
        row.key = self._vault.decrypt(row.key) if row.key else ""
        return row

    async def all(self) -> list[Channel]:
        """Every channel."""
        return [self._open(row) for row in await self._database.read(lambda: list(Channel.select()))]

    async def create(self, rows: Sequence[dict[str, Any]]) -> list[Channel]:
        """New channels, as one change."""

        def run() -> list[int]:
            made = []
            for fields in rows:
                sealed = {**fields, "key": self._vault.encrypt(fields.get("key", ""))}
                made.append(Channel.create(created_time=int(time.time()), **sealed).id)
                changes.note(self._database, changes.CHANNEL, made[-1])
            return made

        return [await self.get(channel_id) for channel_id in await self._database.write(run)]

    async def get(self, channel_id: int) -> Channel:
        """By id. Raises RecordNotFound."""
        row = await self._database.read(lambda: Channel.select().where(Channel.id == channel_id).first())
        if row is None:
            raise RecordNotFound("There is no such channel.")
        return self._open(row)

    async def list(
        self,
        keyword: str = "",
        group: str = "",
        model: str = "",
        status: int = 0,
        kind: int = 0,
        id_sort: bool = False,
        offset: int = 0,
        limit: int = 10,
    ) -> tuple[list[Channel], int, dict[int, int]]:
        """Channels, highest priority first; how many in all; how many by type."""

        def run() -> tuple[list[Channel], int, dict[int, int]]:
            query = Channel.select()
            if keyword:
                match = Channel.name.contains(keyword) | Channel.base_url.contains(keyword)
                if keyword.isdecimal() and len(keyword) < 18:
                    match |= Channel.id == int(keyword)
                query = query.where(match)
            for column, wanted in ((Channel.group, group), (Channel.models, model)):
                if wanted:
                    query = query.where(
                        (column == wanted)
                        | column.startswith(wanted + ",")
                        | column.endswith("," + wanted)
                        | column.contains("," + wanted + ",")
                    )
            if status:
                query = query.where(Channel.status == status)
            counts: dict[int, int] = {}
            for row in query.select(Channel.type):
                counts[row.type] = counts.get(row.type, 0) + 1
            if kind:
                query = query.where(Channel.type == kind)
            order = (Channel.id.desc(),) if id_sort else (Channel.priority.desc(), Channel.id.desc())
            page = query.order_by(*order).offset(offset).limit(min(limit, LIST_MOST))
            return list(page), query.count(), counts

        rows, total, counts = await self._database.read(run)
        return [self._open(row) for row in rows], total, counts

    async def update(self, channel_id: int, **fields: Any) -> Channel:
        """Writes columns; an empty key keeps the old one. Raises RecordNotFound."""
        if "key" in fields:
            key = fields.pop("key")
            if key:
                fields["key"] = self._vault.encrypt(key)

        def run() -> None:
            if fields and not Channel.update(**fields).where(Channel.id == channel_id).execute():
                raise RecordNotFound("There is no such channel.")
            changes.note(self._database, changes.CHANNEL, channel_id)

        await self._database.write(run)
        return await self.get(channel_id)

    async def delete(self, ids: Sequence[int]) -> int:
        """Truly; returns how many there were."""

        def run() -> int:
            gone = Channel.delete().where(Channel.id.in_(list(ids)))  # type: ignore[misc, unused-ignore]
            count = int(gone.execute())
            for channel_id in ids:
                changes.note(self._database, changes.CHANNEL, channel_id)
            return count

        return await self._database.write(run)

    async def set_status(self, channel_id: int, status: int, *, key_index: int | None = None, reason: str = "") -> None:
        """The state of a channel, or of one key of a multi-key channel: the channel follows its last key."""

        def run() -> None:
            query = Channel.select().where(Channel.id == channel_id)
            if self._database.kind == "postgres":
                query = query.for_update()
            row = query.first()
            if row is None:
                return
            now = int(time.time())
            info = json.loads(row.channel_info or "{}")
            if key_index is not None and info.get("is_multi_key"):
                states = info.setdefault("multi_key_status_list", {})
                reasons = info.setdefault("multi_key_disabled_reason", {})
                times = info.setdefault("multi_key_disabled_time", {})
                place = str(key_index)
                if status == ENABLED:
                    for table in (states, reasons, times):
                        table.pop(place, None)
                else:
                    states[place], reasons[place], times[place] = status, reason, now
                keys = len(split_keys(self._vault.decrypt(row.key)))
                row.channel_info = json.dumps(info)
                if status != ENABLED and len(states) < keys:
                    row.save(only=[Channel.channel_info])
                    changes.note(self._database, changes.CHANNEL, channel_id)
                    return
                stays_disabled = status == ENABLED and row.status == DISABLED_BY_HAND
                if stays_disabled:
                    row.save(only=[Channel.channel_info])
                    changes.note(self._database, changes.CHANNEL, channel_id)
                    return
            other = json.loads(row.other_info or "{}")
            other.update({"status_reason": reason, "status_time": now})
            row.status, row.other_info = status, json.dumps(other)
            row.save(only=[Channel.status, Channel.other_info, Channel.channel_info])
            changes.note(self._database, changes.CHANNEL, channel_id)

        await self._database.write(run)
