"""What must be true of the ledger at every commit, and at the end. Knows only what was told to clients."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.v1 import billing_pb2

from core.ledger import journal
from core.ledger.record import SETTLED
from core.ledger.statistics import KEPT


@dataclass
class Request:
    """One request: what its client was told of it."""

    incarnation: str
    progress: list[dict[int, int]] = field(default_factory=list)
    released: bool = False
    settled: dict[int, int] | None = None
    units: int = 0
    safe: bool = False
    """Its answer has ended."""


@dataclass
class Incarnation:
    """One start of a worker, and what befell it."""

    node: str
    folder: Path
    books: Any
    dead: bool = False
    freed: bool = False
    """An operator released its node."""
    disk_lost: bool = False
    power_cut: bool = False


class Oracle:
    """Compares what the database holds with what clients were told."""

    def __init__(self, execute: Any) -> None:
        self._execute = execute
        self.requests: dict[str, Request] = {}
        self.incarnations: dict[str, Incarnation] = {}
        self.granted: dict[int, int] = {}
        self.billed: Counter[int] = Counter()
        self.lines: dict[str, str] = {}
        """Request id -> billed, recovered, unbilled or aside."""
        self.logged = (0, 0)
        """Requests in the log, and their units."""
        self._last = {"logs": 0, "set_aside": 0}

    def committed(self) -> None:
        """After every commit."""
        lines = self._new("logs", "1")
        for row, content, _ in lines:
            receipt = billing_pb2.Receipt.FromString(content)
            if receipt.kind == billing_pb2.RECEIPT_KIND_CONSUME:
                self.logged = (self.logged[0] + 1, self.logged[1] + receipt.quota)
            self._line(receipt, f"line {row} of the log")
        if lines:
            self._summed()
        for row, content, moved in self._new("set_aside", "moved"):
            receipt = billing_pb2.Receipt.FromString(content)
            if not moved:
                # Its money stayed where it was: only of a node that an operator gave up.
                assert self.incarnations[self.requests[receipt.request_id].incarnation].freed
                receipt.unbilled, receipt.quota = receipt.quota, 0
                receipt.purses.clear()
            self._line(receipt, f"line {row} of those set aside", aside=True)
        leases: Counter[int] = Counter()
        held: dict[str, dict[int, int]] = {}
        for incarnation, purse, units in self._execute("SELECT incarnation, purse_id, units FROM leases"):
            leases[purse] += units
            if units:
                held.setdefault(incarnation, {})[purse] = units
        for purse, granted, available, leased, settled, debt in self._execute(
            "SELECT id, granted, available, leased, settled, debt FROM purses"
        ):
            assert min(granted, available, leased, settled, debt) >= 0, f"purse {purse} is below 0"
            assert granted + debt == available + leased + settled, f"purse {purse} does not add up"
            assert leased == leases[purse], f"purse {purse}: leased is {leased}, its leases are {leases[purse]}"
            assert settled == self.billed[purse], f"purse {purse}: {settled} settled, receipts {self.billed[purse]}"
        for name, each in self.incarnations.items():
            if each.dead or each.freed or each.books.closed or each.books.session.in_doubt:
                continue
            memory = {pool.purse_id: pool.leased for pool in each.books.pools.by_purse.values() if pool.leased}
            assert memory == held.get(name, {}), f"{name}: holds {memory} in memory, leases {held.get(name)}"

    def _summed(self) -> None:
        """The statistics are the log's, whatever befell: by every cut as many requests and units."""
        told = self._execute("SELECT cut, sum(requests), sum(quota) FROM usage_sums GROUP BY cut ORDER BY cut")
        expected = [(cut, *self.logged) for cut in sorted(KEPT)] if self.logged[0] else []
        assert [tuple(row) for row in told] == expected, f"the sums {told} are not those of the log {self.logged}"

    def _new(self, table: str, moved: str) -> list[tuple[int, bytes, int]]:
        rows = self._execute(f"SELECT id, receipt, {moved} FROM {table} WHERE id > ? ORDER BY id", (self._last[table],))
        if rows:
            self._last[table] = rows[-1][0]
        return rows

    def _line(self, receipt: billing_pb2.Receipt, where: str, *, aside: bool = False) -> None:
        name, paid = receipt.request_id, dict(receipt.purses)
        assert name not in self.lines, f"{where}: {name} is there twice ({self.lines[name]})"
        request = self.requests.get(name)
        assert request is not None, f"{where}: nobody asked {name}"
        of = self.incarnations[request.incarnation]
        if not paid and of.freed and not receipt.quota:
            self.lines[name] = "unbilled"
            return
        cut = of.power_cut and not request.safe and receipt.ending == billing_pb2.ENDING_RECOVERED
        if request.settled is not None and not cut:
            assert paid == request.settled, f"{where}: {name} was told {request.settled}, billed {paid}"
            self.lines[name] = "aside" if aside else "billed"
        else:
            assert request.progress, f"{where}: {name} neither settled nor progressed"
            assert of.dead, f"{where}: {name} is billed while it runs"
            assert not request.released or of.power_cut, f"{where}: {name} was released, and billed"
            assert receipt.ending == billing_pb2.ENDING_RECOVERED, f"{where}: {name} is not marked as recovered"
            told = request.progress if of.power_cut else request.progress[-1:]
            assert paid in told, f"{where}: {name} progressed {told}, billed {paid}"
            self.lines[name] = "aside" if aside else "recovered"
        self.billed.update(paid)

    def _lost(self, request: Request) -> bool:
        """Whether what befell its worker may have lost it."""
        of = self.incarnations[request.incarnation]
        return of.disk_lost or (of.power_cut and not request.safe)

    def kept(self) -> None:
        """What was settled is in the ledger, or in a journal that will be replayed."""
        journals: set[str] = set()
        for folder in {str(each.folder): each.folder for each in self.incarnations.values()}.values():
            for path in sorted(folder.glob("journal/*" + journal.SUFFIX)):
                fd = os.open(path, os.O_RDONLY)
                try:
                    _, _, records = journal.read(fd, path.name)
                finally:
                    os.close(fd)
                journals.update(record.request_id for record in records if record.kind == SETTLED)
        for name, request in self.requests.items():
            if request.settled is not None and name not in self.lines and not self._lost(request):
                assert name in journals, f"{name} was settled, and is neither in the ledger nor in a journal"

    def closed(self) -> None:
        """At the end, with every worker closed: all is billed, nothing is leased."""
        self.committed()
        for name, request in self.requests.items():
            of = self.incarnations[request.incarnation]
            if self._lost(request):
                continue
            if request.settled is not None:
                assert name in self.lines, f"{name} was settled and is not in the ledger"
            elif request.progress and not request.released and of.dead and not of.power_cut:
                assert name in self.lines, f"{name} had progressed when its worker died, and is not billed"
        for purse, granted, leased in self._execute("SELECT id, granted, leased FROM purses"):
            assert leased == 0, f"purse {purse} has {leased} leased at the end"
            assert granted == self.granted[purse], f"purse {purse}: granted {granted}, told {self.granted[purse]}"
        for folder in {each.folder for each in self.incarnations.values()}:
            left = [path.name for path in folder.glob("journal/*")]
            assert not left, f"left behind: {left}"
