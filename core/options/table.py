"""All options, and what may be written to them."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import InvalidRequest
from core.options import accounts, channels, data, limits, models, money, prices, site
from core.options.kinds import TRUE
from core.options.row import Row, is_secret

GROUPS: Mapping[str, tuple[Row, ...]] = {
    "Accounts": accounts.ROWS,
    "Site and mail": site.ROWS,
    "Money": money.ROWS,
    "Prices and groups": prices.ROWS,
    "Channels": channels.ROWS,
    "Models": models.ROWS,
    "Limits and filters": limits.ROWS,
    "Drawing, tasks, data": data.ROWS,
}
"""By title of docs/options.md."""
_ALL = tuple(row for rows in GROUPS.values() for row in rows)
ROWS: Mapping[str, Row] = {row.name: row for row in _ALL if not row.name.endswith("*")}
FAMILIES: tuple[Row, ...] = tuple(row for row in _ALL if row.name.endswith("*"))
"""Rows that stand for every name that begins so."""
DEFAULTS: Mapping[str, str] = {name: row.default for name, row in ROWS.items()}
PUBLIC = frozenset(name for name, row in ROWS.items() if row.public)
"""Options that anyone may read."""
ALIASES: Mapping[str, str] = {
    "group_ratio_setting.group_ratio": "GroupRatio",
    "group_ratio_setting.group_group_ratio": "GroupGroupRatio",
}
"""Two names of one option: the first is kept under the second."""
NAME_MOST = 191
"""Characters of a name, as in the options table."""
DISPLAY = "general_setting.quota_display_type"

__all__ = ["ALIASES", "DEFAULTS", "FAMILIES", "GROUPS", "PUBLIC", "ROWS", "is_secret", "row", "validate", "written"]


def row(name: str) -> Row | None:
    """The row of a name."""
    found = ROWS.get(name)
    if found is None and len(name) <= NAME_MOST:
        found = next((family for family in FAMILIES if name.startswith(family.name[:-1])), None)
    return found


def validate(name: str, value: str) -> None:
    """Raises InvalidRequest where a value does not fit its option; unknown options are refused."""
    found = row(name)
    if found is None:
        raise InvalidRequest(f"There is no option {name}.", param="key")
    try:
        if len(value) > found.kind.most:
            raise ValueError(f"{len(value)} characters are more than {found.kind.most} characters")
        found.kind.check(value)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{name}: {error}", param="value") from error


def written(values: Mapping[str, str], held: Mapping[str, str]) -> dict[str, str]:
    """What a change writes, with what follows from it; other names are resolved. held is what is in force.

    Raises InvalidRequest where a value does not fit, a switch lacks what it needs, an option has its own route.
    """
    out: dict[str, str] = {}
    for name, value in values.items():
        validate(name, value)
        found = row(name)
        if found is not None and found.own_route:
            raise InvalidRequest(f"{name} is written by /api/option/payment_compliance alone.", param="key")
        out[ALIASES.get(name, name)] = value
    for name, value in values.items():
        found = row(name)
        if found is not None and value == TRUE:
            for needed in found.needs:
                if not out.get(needed, held.get(needed, "")).strip():
                    raise InvalidRequest(f"{name}: set {needed} first.", param="value")
    if "DisplayInCurrencyEnabled" in values and DISPLAY not in values:
        out[DISPLAY] = "USD" if values["DisplayInCurrencyEnabled"] == TRUE else "TOKENS"
    return out
