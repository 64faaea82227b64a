"""Rounds in which vendors are asked what is left of their channels' money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.manage import inquiries
from core.rounds.runner import Progress
from core.rounds.schedule import Chore
from core.services.context import Services

KIND = "balance_update"


def chore(services: Services) -> Chore:
    """As often as CHANNEL_UPDATE_FREQUENCY says."""

    async def work(progress: Progress) -> Mapping[str, Any]:
        updated, disabled = await inquiries.balances(services)
        return {"updated": updated, "disabled": disabled}

    return Chore(KIND, lambda: services.settings.balance_minutes * 60, work)
