"""How fast channels begin to answer: moving averages of the time to the first token, by channel and model."""

from __future__ import annotations

from collections import OrderedDict

ENTRIES_MOST = 20_000
WEIGHT = 0.2
"""Share of the newest answer in an average."""
STALE_SECONDS = 300.0
"""After so long an average tells nothing, so that a channel that was slow once is asked again."""


class Speed:
    """One a worker. Times are monotonic seconds, given by the caller."""

    def __init__(self) -> None:
        self._averages: OrderedDict[tuple[int, str], tuple[float, float]] = OrderedDict()

    def note(self, channel_id: int, model: str, milliseconds: float, now: float) -> None:
        """A first token came after so long."""
        name = (channel_id, model)
        known = self.of(channel_id, model, now)
        mean = milliseconds if known is None else known + WEIGHT * (milliseconds - known)
        self._averages[name] = (mean, now)
        self._averages.move_to_end(name)
        if len(self._averages) > ENTRIES_MOST:
            self._averages.popitem(last=False)

    def of(self, channel_id: int, model: str, now: float) -> float | None:
        """Milliseconds; None where nothing is known."""
        found = self._averages.get((channel_id, model))
        return found[0] if found is not None and now - found[1] <= STALE_SECONDS else None
