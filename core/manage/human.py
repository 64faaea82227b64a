"""Whether a person asks: Cloudflare's Turnstile, where the site uses it.

A token is good once at Cloudflare, but a page asks for several things with it (a code by mail, then the registration):
one that was right is taken again a few times, soon, from the same address.
"""

from __future__ import annotations

from core.errors import Forbidden
from core.options.kinds import TRUE
from core.services.context import Services
from core.store import proofs

TOKEN_MOST = 2048
"""Characters (Cloudflare's figure)."""
AGAIN_SECONDS, AGAIN_MOST = 300, 4


class NotHuman(Forbidden):
    """Turnstile did not say that a person asks."""

    reason = "TURNSTILE"
    default_message = "Turnstile did not take you for a person; reload the page and try again."


async def check(services: Services, token: str, address: str) -> None:
    """Raises NotHuman; ProviderFailed where Cloudflare does not answer: nobody gets by then."""
    raw = services.state.snapshot.options.raw
    if raw["TurnstileCheckEnabled"] != TRUE:
        return
    if not 0 < len(token) <= TOKEN_MOST:
        raise NotHuman("Turnstile's token is wanted.")
    subject = f"{token}\n{address}"
    if await services.store.proofs.attempt(proofs.HUMAN, subject) is not None:
        return
    if not await services.web.turnstile(raw["TurnstileSecretKey"], token, address):
        raise NotHuman()
    await services.store.proofs.put(proofs.HUMAN, subject, AGAIN_SECONDS, AGAIN_MOST)
