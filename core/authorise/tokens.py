"""Access tokens that were exchanged for keys: kept until shortly before they end, obtained once at a time."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from core.errors import VendorBroken, VendorError, VendorTimeout, VendorUnreachable
from core.upstream.interface import ConnectFailed, TimedOut, UpstreamFailure

MOST = 4096
"""Tokens that are kept; the one that was longest not asked for leaves first."""
EARLY_SECONDS = 300
"""How long before its end a token is no longer used: a request may wait for its vendor that long."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and until when it is used (Unix seconds)."""

    value: str = field(repr=False)
    until: float


class Tokens:
    """One a worker. Whoever asks while a token is on its way waits for that one; failures are not kept."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Token] = OrderedDict()
        self._coming: dict[bytes, asyncio.Task[Token]] = {}

    async def get(self, key: str, now: float, obtain: Callable[[], Awaitable[Token]]) -> str:
        """The token of a key (whatever tells it from others; only its digest is kept). Raises what obtain() raises."""
        name = hashlib.blake2b(key.encode(), digest_size=16).digest()
        known = self._known.get(name)
        if known is not None and now < known.until:
            self._known.move_to_end(name)
            return known.value
        task = self._coming.get(name)
        if task is None:
            # A task of its own: the request that asked first may be cancelled while others wait.
            task = asyncio.get_running_loop().create_task(self._obtain(name, obtain))
            self._coming[name] = task
            task.add_done_callback(_seen)
        return (await asyncio.shield(task)).value

    async def _obtain(self, name: bytes, obtain: Callable[[], Awaitable[Token]]) -> Token:
        try:
            token = await obtain()
        finally:
            del self._coming[name]
        self._known[name] = token
        self._known.move_to_end(name)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return token

    def forget(self, credentials: str) -> None:
        """A token that its vendor refuses (as it stood in a header) is not used again: its key's next request asks."""
        for name, token in list(self._known.items()):
            if credentials.endswith(f" {token.value}"):
                del self._known[name]


def until(now: float, seconds: float) -> float:
    """When to stop using a token that lives so many seconds from now; short-lived ones for half their life."""
    return now + max(seconds - EARLY_SECONDS, seconds / 2)


def failed(failure: UpstreamFailure) -> VendorError:
    """The error of an exchange that failed on the way, which says nothing about the key."""
    if isinstance(failure, ConnectFailed):
        return VendorUnreachable("The vendor's token endpoint could not be reached.")
    if isinstance(failure, TimedOut):
        return VendorTimeout("The vendor's token endpoint did not answer in time.")
    return VendorBroken("The vendor's token endpoint broke off.")


def _seen(task: asyncio.Task[Token]) -> None:
    """Takes note of a failure that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
