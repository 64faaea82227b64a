"""What root is told by mail of channels: bounded, so that a vendor's bad hour is no flood of mails."""

from __future__ import annotations

import logging

from core.errors import Overloaded
from core.mail.smtp import Mail, MailServer
from core.services.context import Services

logger = logging.getLogger("isthmus.notices")

MOST, SECONDS = 2, 600
"""Notices of one kind within so many seconds (New API's figures)."""


async def tell_root(services: Services, kind: str, subject: str, text: str) -> bool:
    """Leaves a mail to root with the mailer; False where no mail is set up, root has no address, or too many went."""
    server = MailServer.of(services.state.snapshot.options.raw)
    if server is None:
        return False
    root = await services.store.accounts.root()
    address = root.email if root is not None else ""
    if not address or not await services.store.proofs.allow({f"notice:{kind}": MOST}, SECONDS):
        return False
    site = services.state.snapshot.options.raw["SystemName"]

    async def prepare() -> Mail:
        return Mail(address, f"{site}: {subject}", text)

    try:
        services.mailer.post(server, prepare)
    except Overloaded:
        logger.warning("no room for a notice", extra={"kind": kind})
        return False
    return True
