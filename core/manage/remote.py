"""JSON that other sites publish: fetched behind the guard of core/fetch, tried again, within limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from core.fetch.fetcher import Budget, Fetcher
from core.fetch.rules import Refused, rules_of

PAUSE = 0.2
"""Seconds before the second try; doubled each time."""


class Remote:
    """One a worker. most: bytes of one answer; seconds: for one try."""

    def __init__(self, most: int, seconds: float, tries: int, fetcher: Fetcher | None = None) -> None:
        self._fetcher = fetcher or Fetcher(most, seconds, 4 * most)
        self._most = most
        self._tries = max(1, tries)

    async def json(self, url: str, raw: Mapping[str, str], tries: int = 0) -> Any:
        """What stands at an address. raw: options as text. Raises Refused, which says why; Overloaded."""
        for number in range(1, (tries or self._tries) + 1):
            budget = Budget(self._fetcher.room, 2 * self._most)
            try:
                data = (await self._fetcher.fetch(url, rules_of(raw), budget)).data
                return json.loads(data)
            except (ValueError, RecursionError):
                raise Refused("it is no JSON") from None
            except Refused:
                if number >= (tries or self._tries):
                    raise
            finally:
                budget.close()
            await asyncio.sleep(PAUSE * 2**number)
        raise AssertionError("a try returns or raises")
