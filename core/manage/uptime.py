"""Status pages of Uptime Kuma: what each group of console_setting.uptime_kuma_groups says, kept for a minute.

Facts of the page's two public documents: /api/status-page/<slug> (publicGroupList: groups of monitors with ids) and
/api/status-page/heartbeat/<slug> (heartbeatList: id -> beats, the newest last; uptimeList: "<id>_24" -> share).
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from isthmus.v1 import system_pb2

from core.errors import Overloaded
from core.fetch.rules import Refused
from core.manage.remote import Remote
from core.options.kinds import TRUE

logger = logging.getLogger("isthmus.uptime")

ENABLED, GROUPS = "console_setting.uptime_kuma_enabled", "console_setting.uptime_kuma_groups"
KEPT_SECONDS = 60.0
MONITORS_MOST = 500
NAME_MOST = 200
PAGE_MOST = 4 << 20
SECONDS = 10.0


class Uptime:
    """One a worker: whoever asks first within a minute makes the others wait for his answer."""

    def __init__(self, remote: Remote | None = None) -> None:
        self._remote = remote or Remote(PAGE_MOST, SECONDS, 1)
        self._lock = asyncio.Lock()
        self._until = 0.0
        self._asked = ""
        self._told = system_pb2.GetUptimeResponse()

    async def told(self, raw: Mapping[str, str]) -> system_pb2.GetUptimeResponse:
        """Every group, in order; one whose page cannot be read has no monitors. raw: options as text."""
        if raw[ENABLED] != TRUE:
            return system_pb2.GetUptimeResponse()
        async with self._lock:
            if raw[GROUPS] != self._asked or time.monotonic() >= self._until:
                groups = [group for group in json.loads(raw[GROUPS] or "[]") if isinstance(group, dict)]
                found = await asyncio.gather(*(self._group(group, raw) for group in groups))
                self._told = system_pb2.GetUptimeResponse(groups=found)
                self._asked, self._until = raw[GROUPS], time.monotonic() + KEPT_SECONDS
            return self._told

    async def _group(self, group: Mapping[str, Any], raw: Mapping[str, str]) -> system_pb2.UptimeGroup:
        told = system_pb2.UptimeGroup(name=str(group.get("categoryName", ""))[:NAME_MOST])
        base, slug = str(group.get("url", "")).rstrip("/"), str(group.get("slug", ""))
        try:
            page, beats = await asyncio.gather(
                self._remote.json(f"{base}/api/status-page/{slug}", raw),
                self._remote.json(f"{base}/api/status-page/heartbeat/{slug}", raw),
            )
        except (Refused, Overloaded) as refused:
            logger.warning("a status page could not be read", extra={"group": told.name, "reason": str(refused)})
            return told
        told.monitors.extend(monitors(page, beats))
        return told


def monitors(page: Any, beats: Any) -> list[system_pb2.Monitor]:
    """The monitors of a status page; what is not as expected is left out."""
    lists = _dict(_dict(beats).get("heartbeatList"))
    shares = _dict(_dict(beats).get("uptimeList"))
    found = []
    for group in _list(_dict(page).get("publicGroupList")):
        for monitor in _list(_dict(group).get("monitorList")):
            held = _dict(monitor)
            number = str(held.get("id", ""))
            last = _dict(([{}, *_list(lists.get(number))])[-1])
            share, state = shares.get(f"{number}_24"), last.get("status")
            found.append(
                system_pb2.Monitor(
                    name=str(held.get("name", ""))[:NAME_MOST],
                    uptime=min(1.0, max(0.0, float(share))) if isinstance(share, int | float) else 0.0,
                    status=state if isinstance(state, int) and 0 <= state <= 3 else 0,
                    group=str(_dict(group).get("name", ""))[:NAME_MOST],
                )
            )
    return found[:MONITORS_MOST]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
