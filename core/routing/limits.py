"""Requests to models per account and window: sliding-window counters of fixed size, entries expire."""

from __future__ import annotations

from collections import OrderedDict

from core.state.options import Options

ACCOUNTS_MOST = 100_000


class _Counter:
    """Two windows of counts: the sum slides from the older into the newer."""

    __slots__ = ("current", "index", "previous")

    def __init__(self) -> None:
        self.index = -1
        self.current = 0
        self.previous = 0

    def turn(self, index: int) -> None:
        """Moves to a window."""
        if index != self.index:
            self.previous = self.current if index == self.index + 1 else 0
            self.current = 0
            self.index = index

    def sum(self, part: float) -> float:
        """The count of the last window's length, `part` of the current window being over."""
        return self.current + self.previous * (1 - part)


class RequestLimits:
    """Limits of all requests and of successful ones, by account."""

    def __init__(self) -> None:
        self._counters: OrderedDict[int, tuple[_Counter, _Counter]] = OrderedDict()
        self._window = 60.0

    def _of(self, account_id: int, now: float) -> tuple[_Counter, _Counter]:
        pair = self._counters.get(account_id)
        if pair is None:
            pair = self._counters[account_id] = (_Counter(), _Counter())
            if len(self._counters) > ACCOUNTS_MOST:
                self._counters.popitem(last=False)
        else:
            self._counters.move_to_end(account_id)
        index = int(now // self._window)
        for counter in pair:
            counter.turn(index)
        return pair

    def admit(self, account_id: int, group: str, options: Options, now: float) -> bool:
        """Counts a request; False where a limit is reached."""
        if not options.rate_limit_enabled:
            return True
        self._window = options.rate_limit_minutes * 60.0
        total, success = options.rate_limit_groups.get(group, (options.rate_limit_count, options.rate_limit_success))
        requests, successes = self._of(account_id, now)
        part = (now % self._window) / self._window
        if total and requests.sum(part) >= total:
            return False
        if success and successes.sum(part) >= success:
            return False
        requests.current += 1
        return True

    def succeeded(self, account_id: int, now: float) -> None:
        """Counts a success of an account that was admitted."""
        pair = self._counters.get(account_id)
        if pair is not None:
            self._of(account_id, now)[1].current += 1
