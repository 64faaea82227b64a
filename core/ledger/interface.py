"""What the pipeline and the management side ask of the ledger.

Units are integer quota units (500,000 = 1 USD). A purse is named by its id;
ids are loaded with accounts and keys. Everything here is per worker process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from isthmus.v1 import billing_pb2


@dataclass(frozen=True, slots=True)
class Draws:
    """Which purses a request draws on: every one of all_of, and the first of first_of that covers.

    all_of is the key's purse (none for unlimited keys), first_of the
    subscription's and the wallet's in the account's order of preference.
    """

    all_of: tuple[int, ...]
    first_of: tuple[int, ...]


@dataclass(slots=True, eq=False)
class Hold:
    """Units reserved for one request, in memory, out of this worker's leases.

    taken maps purse id -> units held of it. A hold ends exactly once: by
    settle or by release.
    """

    request_id: str
    draws: Draws
    units: int
    taken: dict[int, int] = field(default_factory=dict)
    ended: bool = False


class Ledger(Protocol):
    """Reserve before, settle after, never over."""

    def lag(self) -> int:
        """Bytes of the journal that are not in the database yet."""

    def try_reserve(self, request_id: str, draws: Draws, units: int) -> Hold | None:
        """Reserves from leases already held, without waiting; None where reserve() must be awaited."""

    async def reserve(self, request_id: str, draws: Draws, units: int) -> Hold:
        """Reserves units, leasing from the database as needed.

        Waits up to 500 ms for other requests' settlements before it refuses.
        Raises InsufficientQuota or KeyQuotaExceeded, Overloaded (journal or
        disk full, database away).
        """

    @contextmanager
    def alone(self, draws: Draws) -> Iterator[bool]:
        """Whether no other request holds anything of these purses here, or is just taking it by this same way."""
        yield False

    async def extend(self, hold: Hold, units: int) -> None:
        """Adds units to a hold that a stream outgrew. Raises as reserve()."""

    def settle(self, hold: Hold, units: int, receipt: billing_pb2.Receipt) -> None:
        """Charges units and ends the hold. Awaits nothing.

        Above the hold it draws on what is left in the leases; what nothing
        covers becomes receipt.unbilled. Sets receipt.quota, .unbilled,
        .purses, .reserved, .node, and appends the receipt to the journal before
        it returns. Cannot fail for want of disk: reserve() kept room.
        """

    def record(self, receipt: billing_pb2.Receipt) -> None:
        """Journals a receipt that moves no money (errors, tests of channels)."""

    def release(self, hold: Hold) -> None:
        """Ends the hold; nothing is charged, nothing is journalled."""

    def progress(self, hold: Hold, units: int, receipt: billing_pb2.Receipt) -> None:
        """Journals what a long stream has cost so far (every 2 s).

        If the process dies, recovery bills the last progress of a request that
        was never settled, with ending ENDING_RECOVERED.
        """

    async def settled(self, receipt: billing_pb2.Receipt) -> None:
        """Waits until the receipt is as safe as the journal setting asks; at once for "os"."""

    async def purse(self, purse_id: int) -> billing_pb2.Purse:
        """The purse as the database holds it. Raises RecordNotFound."""

    async def adjust(self, purse_id: int, delta: int) -> billing_pb2.Purse:
        """Grants (delta > 0) or takes (delta < 0) units; recalls leases first where it must.

        Never takes below 0: raises InsufficientQuota when available and
        recalled leases do not cover it.
        """

    async def set_remaining(self, purse_id: int, units: int) -> billing_pb2.Purse:
        """Sets what may still be spent (available + leased) to units, as one change."""

    async def flush(self) -> None:
        """Writes every journalled record to the database; for tests and shutdown."""

    async def close(self) -> None:
        """Flushes, gives leases back, ends the incarnation."""
