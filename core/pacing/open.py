"""Where a node counts: in Redis where the settings name one, else in a file that its workers share."""

from __future__ import annotations

from core.pacing.pacer import Backend
from core.pacing.table import Table
from core.settings import CoreSettings

FILE = "pacing"


def open_pacing(settings: CoreSettings) -> Backend:
    """Raises OSError for the file, ValueError for an address that is none."""
    table = Table(settings.data / FILE, settings.slot)
    if not settings.redis:
        return table
    from core.pacing.shared import Shared

    try:
        closed = settings.limits_without_redis == "closed"
        return Shared(settings.redis, settings.redis_connections, table, closed=closed)
    except ValueError:
        # Its text may hold the password.
        raise ValueError("REDIS_CONN_STRING must be of the form redis://user:password@host:6379/0") from None
