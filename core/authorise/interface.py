"""The seam between wire forms, which are pure, and credentials that are not. docs/decisions/ says why."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from core.authorise.tokens import Tokens
from core.upstream.interface import Timeouts, Upstream
from core.vendors.interface import Call, VendorRequest


@dataclass(slots=True)
class Outside:
    """What an authoriser may use of the world."""

    upstream: Upstream
    tokens: Tokens
    timeouts: Timeouts
    proxy: str = ""
    """The channel's: what it asks for by proxy, its tokens are asked for by proxy, too."""
    clock: Callable[[], float] = time.time
    """Unix seconds."""


class Authoriser(Protocol):
    """Puts credentials on a request that is ready but for them."""

    async def __call__(self, wire: VendorRequest, call: Call, outside: Outside) -> VendorRequest:
        """The request as it goes out; its body and address stay.

        Credentials that the channel's own headers set are left alone. Raises
        ChannelError where the key is at fault, VendorError where the way to the
        issuer of tokens is.
        """
