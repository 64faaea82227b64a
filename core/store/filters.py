"""Text filters of lists: what a caller may search for, and what it costs at most."""

from __future__ import annotations

from typing import Any

from peewee import OP, SQL, Expression, NodeList, Value

from core.errors import InvalidRequest

PERCENTS_MOST = 2
OTHERS_LEAST = 2
"""Characters beside the wildcards: fewer would be a scan of everything."""


def text_filter(column: Any, text: str, param: str) -> Any:
    """Without "%" the column equals the text, with it "%" stands for anything, whatever the case.

    "_" is always literal. Raises InvalidRequest for patterns that ask too much.
    """
    if "%" not in text:
        return column == text
    if text.count("%") > PERCENTS_MOST or "%%" in text or len(text.replace("%", "")) < OTHERS_LEAST:
        raise InvalidRequest(
            f"A pattern holds at most {PERCENTS_MOST} % apart, and at least {OTHERS_LEAST} other characters.",
            param=param,
        )
    escaped = text.replace("\\", "\\\\").replace("_", "\\_")
    pattern = NodeList((Value(escaped, converter=False), SQL("ESCAPE"), Value("\\", converter=False)))
    return Expression(column, OP.ILIKE, pattern)
