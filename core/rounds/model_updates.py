"""What vendors list and channels do not, and the other way round: found, proposed, applied."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import InvalidRequest, IsthmusError
from core.manage.notices import tell_root
from core.rounds.runner import Progress
from core.rounds.schedule import Chore
from core.services.context import Services
from core.state.snapshot import channel_of
from core.state.types import ENABLED
from core.store import models

logger = logging.getLogger("isthmus.rounds")

KIND = "model_update"
PREFIX = "upstream_model_update_"
"""Of the members of a channel's settings (New API's names)."""
CHECK, SYNC = PREFIX + "check_enabled", PREFIX + "auto_sync_enabled"
AT, NEW, GONE, IGNORED = (
    PREFIX + name for name in ("last_check_time", "last_detected_models", "last_removed_models", "ignored_models")
)
REGEX = "regex:"
PATTERN_MOST = 512
NAME_MOST = 255
MODELS_MOST = 5_000
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a vendor's list brought, or what became of it."""

    channel_id: int
    name: str
    add: tuple[str, ...]
    remove: tuple[str, ...]
    checked_at: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    models: str = ""
    settings: str = ""


def names(text: str) -> list[str]:
    """A comma list."""
    return [name for name in (piece.strip() for piece in text.split(",")) if name]


def _texts(settings: Mapping[str, Any], member: str) -> list[str]:
    found = settings.get(member)
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def is_ignored(name: str, ignored: Iterable[str]) -> bool:
    """By name, or by "regex:..."; what is no pattern ignores nothing."""
    for one in ignored:
        if one == name:
            return True
        if one.startswith(REGEX) and len(one) <= PATTERN_MOST:
            try:
                if re.search(one.removeprefix(REGEX), name):
                    return True
            except re.error:
                continue
    return False


def compare(
    held: Sequence[str], listed: Sequence[str], mapping: Mapping[str, str], ignored: Sequence[str]
) -> tuple[list[str], list[str]]:
    """What to add and what to remove. A mapping's sources are names of ours, its targets are served under them."""
    known, there, targets = set(held), set(listed), set(mapping.values())
    add = [
        name
        for name in dict.fromkeys(listed)
        if name not in known and name not in targets and len(name) <= NAME_MOST and "," not in name
        if not is_ignored(name, ignored)
    ]
    remove = [name for name in held if name not in there and name not in mapping and not is_ignored(name, ignored)]
    return add, remove


async def detect(services: Services, channel_id: int, sync: bool = False) -> Found:
    """Asks a channel's vendor and keeps what it found as proposals. sync: new models are added where the channel says.

    Raises RecordNotFound, InvalidRequest where there is no list, VendorError, ChannelError.
    """
    row = await services.store.channels.get(channel_id)
    channel = channel_of(row)
    listed = await services.inquirer.models(channel)
    if not listed:
        raise InvalidRequest("The vendor lists no models.", param="id")
    now = int(time.time())

    def change(fields: dict[str, str], settings: dict[str, Any]) -> Found:
        held = names(fields["models"])
        add, remove = compare(held, listed, channel.model_mapping, _texts(settings, IGNORED))
        added: list[str] = []
        if sync and settings.get(SYNC) is True:
            added, add = add[: max(0, MODELS_MOST - len(held))], []
            fields["models"] = ",".join([*held, *added])
        settings.update({AT: now, NEW: add, GONE: remove})
        return Found(channel_id, row.name, tuple(add), tuple(remove), now, tuple(added))

    return await services.store.channels.change_models(channel_id, change)


async def apply(
    services: Services, channel_id: int, add: Sequence[str], remove: Sequence[str], ignore: Sequence[str]
) -> Found:
    """Does what was proposed, as far as it is asked for; of a name in both lists add wins.

    Raises RecordNotFound, InvalidRequest where no model would be left.
    """

    def change(fields: dict[str, str], settings: dict[str, Any]) -> Found:
        proposed, gone = _texts(settings, NEW), _texts(settings, GONE)
        held = names(fields["models"])
        added = [name for name in proposed if name in set(add) and name not in held]
        removed = [name for name in gone if name in set(remove) - set(add)]
        ignored = [name for name in proposed if name in set(ignore) - set(add)]
        left = [name for name in held if name not in removed] + added
        if not left:
            raise InvalidRequest("A channel needs at least one model.", param="remove_models")
        if len(left) > MODELS_MOST:
            raise InvalidRequest(f"A channel lists at most {MODELS_MOST} models.", param="add_models")
        fields["models"] = ",".join(left)
        settings[NEW] = [name for name in proposed if name not in added and name not in ignored]
        settings[GONE] = [name for name in gone if name not in removed]
        settings[IGNORED] = list(dict.fromkeys([*_texts(settings, IGNORED), *ignored]))[:MODELS_MOST]
        return Found(
            channel_id, "", tuple(settings[NEW]), tuple(settings[GONE]), int(settings.get(AT) or 0), tuple(added),
            tuple(removed), tuple(ignored), fields["models"], json.dumps(settings),
        )  # fmt: skip

    found = await services.store.channels.change_models(channel_id, change)
    await services.state.refresh()
    return found


async def apply_all(services: Services) -> tuple[list[Found], list[int]]:
    """Does everything that is proposed; what became of each channel, and those where it could not be done."""
    done, failed = [], []
    for row in await services.store.channels.all():
        settings = _settings(row)
        add, remove = _texts(settings, NEW), _texts(settings, GONE)
        if row.status != ENABLED or settings.get(CHECK) is not True or not (add or remove):
            continue
        try:
            done.append(await apply(services, row.id, add, remove, ()))
        except IsthmusError:
            failed.append(int(row.id))
    return done, failed


def _settings(row: models.Channel) -> dict[str, Any]:
    try:
        found = json.loads(row.settings or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


async def run(services: Services, progress: Progress) -> dict[str, Any]:
    """A round over every enabled channel that wants to be looked up."""
    rows = [
        row
        for row in await services.store.channels.all()
        if row.status == ENABLED and _settings(row).get(CHECK) is True
    ]
    figures = dict.fromkeys(
        ("checked_channels", "changed_channels", "detected_add_models", "detected_remove_models", "failed_channels",
         "auto_added_models"), 0,
    )  # fmt: skip
    lines: list[str] = []
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(row: models.Channel) -> None:
        async with gate:
            figures["checked_channels"] += 1
            try:
                found = await detect(services, row.id, sync=True)
            except IsthmusError as error:
                logger.info("no list of models", extra={"channel": row.id, "reason": error.reason})
                figures["failed_channels"] += 1
            else:
                figures["changed_channels"] += int(bool(found.add or found.remove or found.added))
                figures["detected_add_models"] += len(found.add) + len(found.added)
                figures["detected_remove_models"] += len(found.remove)
                figures["auto_added_models"] += len(found.added)
                before = _settings(row)
                new = (set(found.add) - set(_texts(before, NEW))) | (set(found.remove) - set(_texts(before, GONE)))
                if found.added or new:
                    lines.append(f"#{row.id} {row.name}: {len(found.added)} added, {len(new)} proposed")
            progress.tell(total=len(rows), done=figures["checked_channels"], **figures)

    async with asyncio.TaskGroup() as group:
        for row in rows:
            group.create_task(one(row))
    await services.state.refresh()
    if lines:
        await tell_root(services, KIND, "vendors' models have changed", "\n".join(lines[:100]) + "\n")
    return figures


async def begin(services: Services) -> tuple[models.SystemTask, bool]:
    """Begins a round, or tells the one under way, and False."""
    return await services.rounds.start(KIND, lambda progress: run(services, progress), {"automatic": False})


def chore(services: Services) -> Chore:
    """The rounds that come by themselves, while any channel wants them."""

    def every() -> float:
        wanted = any(channel.settings.get(CHECK) is True for channel in services.state.snapshot.channels.values())
        return services.settings.model_update_minutes * 60 if services.settings.model_updates and wanted else 0.0

    return Chore(KIND, every, lambda progress: run(services, progress))
