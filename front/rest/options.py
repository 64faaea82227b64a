"""Options, for root."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import admin_pb2

from front.errors import bad
from front.rest.manager import Call, Level, Route


async def options(c: Call) -> Any:
    """Every option, secrets left out."""
    found = await c.m.admin.ListOptions(admin_pb2.ListOptionsRequest(), metadata=c.who)
    return [{"key": name, "value": value} for name, value in sorted(found.options.items())]


async def described(c: Call) -> Any:
    """Every option with what it is for, what it may be and what it is; secrets only as set or not."""
    found = await c.m.admin.DescribeOptions(admin_pb2.DescribeOptionsRequest(), metadata=c.who)
    return [
        {
            "name": row.name,
            "group": row.group,
            "kind": row.kind,
            "form": row.form,
            "names": list(row.names),
            "default": row.default,
            "help": row.help,
            "value": row.value,
            "is_set": row.is_set,
            "secret": row.secret,
            "used": row.used,
            "why_not": row.why_not,
            "needs": list(row.needs),
            "own_route": row.own_route,
        }
        for row in found.options
    ]


def as_text(value: Any) -> str:
    """The value of an option as it is stored: text, switches and numbers are taken. Raises FrontError 400."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float | str):
        return str(value)
    raise bad("value must be a text, a number, true or false.", "value")


async def update(c: Call) -> Any:
    """Sets one option."""
    body = await c.body()
    if not body.text("key"):
        raise bad("key is wanted.", "key")
    asked = admin_pb2.SetOptionsRequest(options={body.text("key"): as_text(body.raw("value"))})
    await c.m.admin.SetOptions(asked, metadata=c.who)


async def reset_model_ratio(c: Call) -> Any:
    """ModelRatio back to the built-in table, and only that."""
    await c.m.admin.SetOptions(admin_pb2.SetOptionsRequest(options={"ModelRatio": ""}), metadata=c.who)


async def migrate_console(c: Call) -> Any:
    """Options of older consoles, which an import brought, to where they are read now."""
    await c.m.admin.MigrateConsoleSettings(admin_pb2.MigrateConsoleSettingsRequest(), metadata=c.who)


ROUTES = (
    Route("GET", "/api/option/", Level.ROOT, options),
    Route("GET", "/api/isthmus/options", Level.ROOT, described),
    Route("PUT", "/api/option/", Level.ROOT, update),
    Route("POST", "/api/option/migrate_console_setting", Level.ROOT, migrate_console),
    Route("POST", "/api/option/rest_model_ratio", Level.ROOT, reset_model_ratio),
)
