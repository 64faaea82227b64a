"""Writes docs/options.md from the tables in core/options: `python -m tools.options_page`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from core.options.row import Row
from core.options.table import ALIASES, GROUPS
from core.settings import CoreSettings
from front.command.configuration import describe
from front.command.environment import NOT_OBEYED, OWN
from front.settings import FrontSettings

PAGE = Path(__file__).parent.parent / "docs" / "options.md"
SHOWN_MOST = 60
"""Characters of a default that are shown."""
HEAD = """# Options

Made by `python -m tools.options_page` from core/options; do not edit. Root reads and writes them by `GET` and
`PUT /api/option/` ({key, value}; values are texts, and numbers, true and false are taken, too), or by AdminService.
Names are New API's.
Secrets are never returned and are encrypted at rest. Public ones are told to everybody by `/api/status`.

What is *not used yet* is kept and returned, and nothing obeys it. What has *no sense here* is, too, for the
reason given.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ⏎ ")


def _default(row: Row) -> str:
    if not row.default:
        return ""
    text = row.default if len(row.default) <= SHOWN_MOST else row.default[:SHOWN_MOST] + "…"
    return f"`{_cell(text)}`"


def _state(row: Row) -> str:
    if row.why_not:
        return f"no sense here: {row.why_not}"
    if row.name in ALIASES:
        return f"used, as {ALIASES[row.name]}"
    return "used" if row.used else "not used yet"


def _notes(row: Row) -> str:
    words = [row.help]
    if row.needs:
        words.append(f"Needs {' and '.join(row.needs)}.")
    if row.own_route:
        words.append("Written by a route of its own alone.")
    return " ".join(words)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _environment() -> str:
    """The variables."""
    told = []
    for each in [*describe(CoreSettings(), {}, {}), *describe(FrontSettings(), {}, {})]:
        names = ", else ".join(f"`{name}`" for name in each.variables)
        if names:
            told.append((names, each.group, f"`{each.default}`" if each.default else "", _cell(each.help)))
    told += [(f"`{own.name}`", own.group, f"`{own.default}`", _cell(own.help)) for own in OWN]
    idle = [(f"`{each.name}`", each.group, _cell(each.help), _cell(each.why_not)) for each in NOT_OBEYED]
    return "\n\n".join(
        (
            "# Environment variables",
            "Read once, at start; `isthmus config` prints them with their values. Times are seconds.",
            table(("variable", "group", "default", "what for"), sorted(told, key=lambda row: row[1])),
            "## Understood, obeyed by nothing",
            table(("variable", "group", "what for", "why not"), idle),
        )
    )


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, rows in GROUPS.items():
        told = (
            (
                f"`{row.name}`",
                _cell(row.kind.words),
                _default(row),
                "secret" if row.secret else "public" if row.public else "root",
                _cell(_state(row)),
                _cell(_notes(row)),
            )
            for row in rows
        )
        parts.append(
            f"## {title}\n\n" + table(("option", "value", "default", "who reads it", "state", "what for"), told)
        )
    parts.append(_environment())
    return "\n\n".join(part.strip() for part in parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
