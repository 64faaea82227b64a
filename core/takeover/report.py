"""What became of every row: taken, changed, left; and why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

SHOWN = 10
"""Ids named of each kind of finding."""


@dataclass(slots=True)
class TableReport:
    """One table of the source."""

    name: str
    rows: int = 0
    taken: int = 0
    before: int = 0
    """Taken by an earlier run."""
    changed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    left: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def lines(self, would: bool) -> list[str]:
        """As text."""
        parts = [f"{self.rows} rows", f"{self.taken} {'to take' if would else 'taken'}"]
        if self.before:
            parts.append(f"{self.before} taken before")
        stayed = sum(len(ids) for ids in self.left.values())
        if stayed:
            parts.append(f"{stayed} left")
        text = [f"{self.name}: {', '.join(parts)}"]
        for word, findings in (("changed", self.changed), ("left", self.left)):
            for what, ids in findings.items():
                more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
                text.append(f"    {word}: {what} ({', '.join(ids[:SHOWN])}{more})")
        return text


@dataclass(slots=True)
class Report:
    """The whole of it. units: what accounts and keys may still spend, there and here."""

    dry: bool
    tables: dict[str, TableReport] = field(default_factory=dict)
    untouched: dict[str, int] = field(default_factory=dict)
    """Other tables that hold rows -> how many."""
    strange: dict[str, list[str]] = field(default_factory=dict)
    """Table -> columns nobody here knows."""
    notes: list[str] = field(default_factory=list)
    units_there: int = 0
    units_here: int = 0

    def table(self, name: str) -> TableReport:
        """Its part on a table."""
        return self.tables.setdefault(name, TableReport(name))

    @property
    def balanced(self) -> bool:
        """Whether what was taken is worth here what it was there, to the unit."""
        return self.dry or self.units_there == self.units_here

    def lines(self) -> list[str]:
        """As text."""
        text = [line for table in self.tables.values() for line in table.lines(self.dry)]
        text += [f"left: table {name}, {rows} rows" for name, rows in sorted(self.untouched.items())]
        text += [f"left: {table}.{column}" for table, columns in self.strange.items() for column in columns]
        text += self.notes
        if self.dry:
            text.append(f"{self.units_there} units would be taken; nothing was written")
        else:
            same = "the same" if self.balanced else "NOT THE SAME"
            text.append(f"units taken: {self.units_there} there, {self.units_here} here: {same}")
        return text
