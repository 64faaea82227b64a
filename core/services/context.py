"""What the management servicers need."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.identity.web import Web
from core.ledger.interface import Ledger
from core.link.call import CallInfo
from core.mail.mailer import Mailer
from core.manage.places import Places
from core.manage.remote import Remote
from core.manage.throttle import Throttle
from core.manage.uptime import Uptime
from core.pipeline.authenticate import (
    authenticate_account,
    authenticate_key,
    read_only_key,
    require_role,
    try_authenticate_key,
)
from core.pipeline.guide import Guide
from core.pipeline.inquiry import Inquirer
from core.pipeline.trial import Tester
from core.rounds.runner import Runner
from core.routing.health import Health
from core.settings import CoreSettings
from core.state.state import State
from core.state.types import ROLE_USER, Principal
from core.store.store import Store
from core.upstream.interface import Upstream


@dataclass(slots=True)
class Services:
    """One a worker. started is Unix seconds."""

    settings: CoreSettings
    store: Store
    state: State
    ledger: Ledger
    tester: Tester
    inquirer: Inquirer
    started: int
    throttle: Throttle
    rounds: Runner
    guide: Guide
    health: Health
    upstream: Upstream
    web: Web
    mailer: Mailer = field(default_factory=Mailer)
    places: Places = field(default_factory=Places)
    uptime: Uptime = field(default_factory=Uptime)
    sync: Remote | None = None
    """What reads the upstream of models; None: as the settings say."""
    shown: Any = None
    """What the price page tells of models (core/manage/entries.Shown), of one version of the snapshot."""
    running: Callable[[], int] = lambda: 0
    """Requests that are being relayed."""
    stopping: Callable[[], bool] = lambda: False
    """Whether the node is about to stop: what runs for long ends by itself."""

    async def account(self, info: CallInfo, role: int = ROLE_USER) -> Principal:
        """A signed-in account of at least this role. Raises SessionInvalid, RoleTooLow."""
        principal = await authenticate_account(info, self.state, self.store, time.time())
        require_role(principal, role)
        return principal

    async def key(self, info: CallInfo) -> Principal:
        """The holder of an API key."""
        now = time.time()
        return try_authenticate_key(info, self.state, now) or await authenticate_key(info, self.state, now)

    async def reading_key(self, info: CallInfo) -> Principal:
        """The holder of an API key, be it disabled, expired or exhausted; only to read what it used."""
        return await read_only_key(info, self.state)

    async def either(self, info: CallInfo) -> Principal:
        """A signed-in account, or the holder of a key."""
        if info.metadata.get("isthmus-session") or info.metadata.get("isthmus-user"):
            return await self.account(info)
        return await self.key(info)
