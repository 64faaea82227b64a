"""Turnstile at the gateway: asked where the site says so, a right token taken again a few times, nobody let by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.identity.web import ProviderFailed
from core.manage import human
from core.options.table import DEFAULTS
from core.settings import CoreSettings
from core.store.database import Database
from core.store.store import Store


class Cloudflare:
    """Takes a token once."""

    def __init__(self) -> None:
        self.good: set[str] = set()
        self.asked = 0
        self.broken = False

    async def turnstile(self, secret: str, response: str, address: str) -> bool:
        self.asked += 1
        if self.broken:
            raise ProviderFailed()
        found = secret == "key" and response in self.good
        self.good.discard(response)
        return found


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Any]:
    settings = CoreSettings(data=tmp_path)
    database = await Database.open(settings)
    await database.migrate()
    raw = {**DEFAULTS, "TurnstileCheckEnabled": "true", "TurnstileSecretKey": "key"}
    state = SimpleNamespace(snapshot=SimpleNamespace(options=SimpleNamespace(raw=raw)))
    yield SimpleNamespace(store=Store(database, settings), web=Cloudflare(), state=state)
    await database.close()


async def test_tokens(services: Any) -> None:
    web = services.web
    web.good = {"t1"}
    for _ in range(1 + human.AGAIN_MOST):
        await human.check(services, "t1", "192.0.2.1")
    assert web.asked == 1
    with pytest.raises(human.NotHuman):
        await human.check(services, "t1", "192.0.2.1")
    web.good = {"t2"}
    await human.check(services, "t2", "192.0.2.1")
    with pytest.raises(human.NotHuman):
        await human.check(services, "t2", "192.0.2.2")
    for wrong in ("", "x", "y" * 3000):
        with pytest.raises(human.NotHuman):
            await human.check(services, wrong, "192.0.2.1")
    web.broken = True
    with pytest.raises(ProviderFailed):
        await human.check(services, "t3", "192.0.2.1")


async def test_switched_off(services: Any) -> None:
    services.state.snapshot.options.raw["TurnstileCheckEnabled"] = "false"
    await human.check(services, "", "")
    assert services.web.asked == 0
