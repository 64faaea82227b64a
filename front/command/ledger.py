"""`isthmus ledger`: what the ledger holds, and what to do about a node that is gone with its disk."""

from __future__ import annotations

from core.ledger.recovery import release_node
from core.ledger.status import status
from core.settings import CoreSettings
from core.store.database import Database


def say(text: str) -> None:
    """A line for the reader."""
    print(text, flush=True)  # noqa: T201


async def show_status(settings: CoreSettings) -> int:
    """Prints purses, leases and journals."""
    database = await Database.open(settings)
    try:
        for line in (await status(database)).lines():
            say(line)
    finally:
        await database.close()
    return 0


async def release(settings: CoreSettings, node: str, sure: bool) -> int:
    """Gives back the leases of a node; asks first."""
    if not sure:
        say(
            f"Requests that {node} settled and never wrote to the database will not be billed.\n"
            "Do this only when the node and its disk are gone for good."
        )
        if input(f"Release {node}? Type its name: ").strip() != node:
            say("Nothing was changed.")
            return 1
    database = await Database.open(settings)
    try:
        count = await release_node(database, node)
    finally:
        await database.close()
    say(f"Released {count} leases of {node}.")
    return 0
