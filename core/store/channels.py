"""Channels: rows with encrypted keys and the states of single keys."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from peewee import fn

from core.errors import RecordNotFound
from core.store import changes
from core.store.database import Database
from core.store.models import Channel
from core.store.secrets import Vault

T = TypeVar("T")

LIST_MOST = 100
SORTABLE = {
    name: getattr(Channel, name) for name in ("id", "name", "priority", "balance", "response_time", "test_time")
}
"""What a list may be sorted by."""
ENABLED = 1
DISABLED_BY_HAND = 2
DISABLED_AUTOMATICALLY = 3


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


Change = Callable[[list[str], dict[str, Any]], int]
"""Alters the keys of a channel and its channel_info in place."""


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
        offset: int = 0,
        limit: int = 10,
        *,
        sort_by: str = "priority",
        ascending: bool = False,
        by_tag: bool = False,
        among: Sequence[int] = (),
    ) -> tuple[list[Channel], int, dict[int, int]]:
        """Channels, highest priority first; how many in all; how many by type.

        status -1: disabled ones. by_tag: pages and total count tags. among: ids that match the keyword, too.
        """

        def run() -> tuple[list[Channel], int, dict[int, int]]:
            query = Channel.select()
            if keyword:
                match = Channel.name.contains(keyword) | Channel.base_url.contains(keyword) | Channel.id.in_(among)
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
                query = query.where(Channel.status == status if status > 0 else Channel.status != ENABLED)
            counted: Any = query.select(Channel.type, fn.COUNT(Channel.id)).group_by(Channel.type).tuples()
            counts: dict[int, int] = dict(counted)
            if kind:
                query = query.where(Channel.type == kind)
            column = SORTABLE.get(sort_by, Channel.priority)
            order = [column.asc() if ascending else column.desc(), Channel.id.desc()]
            if by_tag:
                tags = query.select(Channel.tag).where(Channel.tag != "").distinct()
                shown = tags.order_by(Channel.tag).offset(offset).limit(min(limit, LIST_MOST))
                names = [row.tag for row in shown]
                rows = Channel.select().where(Channel.tag.in_(names)).order_by(Channel.tag, *order)
                return list(rows), tags.count(), counts
            page = query.order_by(*order).offset(offset).limit(min(limit, LIST_MOST))
            return list(page), query.count(), counts

        rows, total, counts = await self._database.read(run)
        return [self._open(row) for row in rows], total, counts

    async def holding(self, key: str) -> Sequence[int]:
        """Ids of channels that hold this very key."""
        wanted = key.encode()
        return [
            row.id
            for row in await self.all()
            if any(hmac.compare_digest(held.encode(), wanted) for held in split_keys(row.key))
        ]

    async def update_many(self, ids: Sequence[int], tag: str, fields: Mapping[str, Any]) -> int:
        """Writes columns of the channels of these ids, or else of this tag; how many there were."""
        condition = Channel.id.in_(list(ids)) if ids else Channel.tag == tag

        def run() -> int:
            found = [row.id for row in Channel.select(Channel.id).where(condition)]
            if found and fields:
                Channel.update(**fields).where(Channel.id.in_(found)).execute()
                for channel_id in found:
                    changes.note(self._database, changes.CHANNEL, channel_id)
            return len(found)

        return await self._database.write(run)

    async def tested(self, channel_id: int, milliseconds: int) -> None:
        """Notes a test; nothing that requests read, so no change."""
        when = {"test_time": int(time.time()), "response_time": milliseconds}
        await self._database.write(lambda: Channel.update(**when).where(Channel.id == channel_id).execute())

    async def counted(self, channel_id: int, balance: float) -> None:
        """Notes what a vendor said is left; nothing that requests read, so no change."""
        await self._database.write(lambda: Channel.update(balance=balance).where(Channel.id == channel_id).execute())

    async def disabled(self) -> Sequence[int]:
        """Ids of channels that are disabled, by hand or automatically."""
        return await self._database.read(
            lambda: [row.id for row in Channel.select(Channel.id).where(Channel.status != ENABLED)]
        )

    async def longest_models(self, tag: str) -> str:
        """The longest list of models among the channels of a tag."""
        lists = await self._database.read(
            lambda: [row.models for row in Channel.select(Channel.models).where(Channel.tag == tag)]
        )
        return max(lists, key=len, default="")

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

    async def change_keys(self, channel_id: int, change: Change) -> int:
        """Changes keys and channel_info of a channel in one transaction; what change() returns. Raises RecordNotFound.

        change gets the keys and the parsed channel_info, and alters both in place.
        """

        def run() -> int:
            row = self._database.locked(Channel.select().where(Channel.id == channel_id)).first()
            if row is None:
                raise RecordNotFound("There is no such channel.")
            keys = split_keys(self._vault.decrypt(row.key) if row.key else "")
            info = json.loads(row.channel_info or "{}")
            count = change(keys, info)
            row.key, row.channel_info = self._vault.encrypt("\n".join(keys)), json.dumps(info)
            row.save(only=[Channel.key, Channel.channel_info])
            changes.note(self._database, changes.CHANNEL, channel_id)
            return count

        return await self._database.write(run)

    async def change_models(self, channel_id: int, change: Callable[[dict[str, str], dict[str, Any]], T]) -> T:
        """Changes what a channel lists and its settings in one transaction; what change() returns.

        change gets {"models": ...} and the parsed settings, and alters both in place. Raises RecordNotFound.
        """

        def run() -> T:
            row = self._database.locked(Channel.select().where(Channel.id == channel_id)).first()
            if row is None:
                raise RecordNotFound("There is no such channel.")
            fields = {"models": row.models}
            settings = json.loads(row.settings or "{}")
            found = change(fields, settings)
            row.models, row.settings = fields["models"], json.dumps(settings)
            row.save(only=[Channel.models, Channel.settings])
            changes.note(self._database, changes.CHANNEL, channel_id)
            return found

        return await self._database.write(run)

    async def delete(self, ids: Sequence[int]) -> int:
        """Truly; returns how many there were."""

        def run() -> int:
            gone = Channel.delete().where(Channel.id.in_(list(ids)))  # type: ignore[misc, unused-ignore]
            count = int(gone.execute())
            for channel_id in ids:
                changes.note(self._database, changes.CHANNEL, channel_id)
            return count

        return await self._database.write(run)

    async def set_status(self, channel_id: int, status: int, *, key_index: int | None = None, reason: str = "") -> bool:
        """The state of a channel, or of one key of a multi-key channel: the channel follows its last key.

        Returns whether that changed anything.
        """

        def run() -> bool:
            row = self._database.locked(Channel.select().where(Channel.id == channel_id)).first()
            if row is None:
                return False
            now = int(time.time())
            fresh = row.status != status
            info = json.loads(row.channel_info or "{}")
            if key_index is not None and info.get("is_multi_key"):
                states = info.setdefault("multi_key_status_list", {})
                reasons = info.setdefault("multi_key_disabled_reason", {})
                times = info.setdefault("multi_key_disabled_time", {})
                place = str(key_index)
                fresh = states.get(place, ENABLED) != status or (status == ENABLED and fresh)
                if status == ENABLED:
                    for table in (states, reasons, times):
                        table.pop(place, None)
                else:
                    states[place], reasons[place], times[place] = status, reason, now
                keys = len(split_keys(self._vault.decrypt(row.key)))
                row.channel_info = json.dumps(info)
                down = sum(1 for known in states if known.isdecimal() and int(known) < keys)
                if status != ENABLED and down < keys:
                    row.save(only=[Channel.channel_info])
                    changes.note(self._database, changes.CHANNEL, channel_id)
                    return fresh
            if row.status == DISABLED_BY_HAND and (key_index is not None or status == DISABLED_AUTOMATICALLY):
                # What a person switched off, no failure and no key of it switches on again.
                row.save(only=[Channel.channel_info])
                changes.note(self._database, changes.CHANNEL, channel_id)
                return fresh and key_index is not None
            other = json.loads(row.other_info or "{}")
            other.update({"status_reason": reason, "status_time": now})
            row.status, row.other_info = status, json.dumps(other)
            row.save(only=[Channel.status, Channel.other_info, Channel.channel_info])
            changes.note(self._database, changes.CHANNEL, channel_id)
            return fresh

        return await self._database.write(run)

    async def enable_again(self, channel_id: int) -> bool:
        """Enables a channel that was disabled automatically; any other stays as it is, and False."""

        def run() -> bool:
            condition = (Channel.id == channel_id) & (Channel.status == DISABLED_AUTOMATICALLY)
            enabled = bool(Channel.update(status=ENABLED).where(condition).execute())
            if enabled:
                changes.note(self._database, changes.CHANNEL, channel_id)
            return enabled

        return await self._database.write(run)
