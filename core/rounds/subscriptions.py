"""Rounds in which new periods of subscriptions begin, and subscriptions end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from core.rounds.runner import Progress
from core.rounds.schedule import Chore
from core.services.context import Services

KIND = "subscription_round"
SECONDS = 60.0
"""New API's figure. Requests do not wait for it: the first one after a period begins the next."""


def chore(services: Services) -> Chore:
    """Every minute, by one worker of the cluster."""

    async def work(progress: Progress) -> Mapping[str, Any]:
        renewed, ended = await services.store.subscriptions.round(int(time.time()))
        return {"renewed": renewed, "ended": ended}

    return Chore(KIND, lambda: SECONDS, work)
