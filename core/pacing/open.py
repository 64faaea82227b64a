"""Where a node counts: in Redis where the settings name one, else in a file that its workers share."""

from __future__ import annotations

from core.pacing.pacer import Backend
from core.pacing.table import Table
from core.settings import CoreSettings

FILE = "pacing"


def open_pacing(settings: CoreSettings) -> Backend:
    """Raises OSError for the file, ValueError for an address that is none."""
    return Table(settings.data / FILE, settings.slot)
