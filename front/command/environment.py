"""Environment variables beside the typed settings: the command's own, and those of New API that have no sense here."""

from __future__ import annotations

import dataclasses
import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.settings import CoreSettings
from front.command.configuration import BadSetting, Setting
from front.settings import FrontSettings

PREFIX = "ISTHMUS_"
"""Variables that begin so are ours alone: one that nobody knows is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that is no field of a settings class. why_not: the reason where nothing obeys it."""

    name: str
    group: str
    default: str
    help: str
    why_not: str = ""


LEDGER = "the ledger always writes in batches, and its journal keeps what is not written yet"
MEMORY = "what requests read is always in memory, kept fresh by the change feed"
COUNTED = "tokens are always counted where a vendor tells none"
TASKS = "not yet: it comes with tasks"
REMIND = "not yet: it comes with reminders"
LOGS = "not yet: logs are in the main database"

OWN = (
    Variable("PORT", "HTTP", "3000", "The HTTP port; --port wins."),
    Variable("ISTHMUS_LOG_LEVEL", "Node", "INFO", "How much is logged; --log-level wins."),
    Variable("DEBUG", "Node", "false", "true: ISTHMUS_LOG_LEVEL is DEBUG where it is not set."),
)
"""What the command reads itself."""

NOT_OBEYED = (
    Variable("LOG_SQL_DSN", "Database", "", "A database of their own for logs.", LOGS),
    Variable("LOG_SQL_CLICKHOUSE_TTL_DAYS", "Database", "0", "Days ClickHouse keeps logs.", LOGS),
    Variable("MEMORY_CACHE_ENABLED", "Database", "false", "Keep channels in memory.", MEMORY),
    Variable("BATCH_UPDATE_ENABLED", "Ledger", "false", "Write quota in batches.", LEDGER),
    Variable("FRONTEND_BASE_URL", "HTTP", "", "Where slaves send browsers.", "every node answers for itself"),
    Variable("NOTIFICATION_LIMIT_DURATION_MINUTE", "Accounts", "10", "Window of reminders.", REMIND),
    Variable("NOTIFY_LIMIT_COUNT", "Accounts", "2", "Reminders in it.", REMIND),
    Variable("FORCE_STREAM_OPTION", "Vendors", "true", "Ask vendors for usage in streams.",
             "usage is always asked for, where the vendor can tell it: the bill rests on it"),
    Variable("GET_MEDIA_TOKEN", "Vendors", "true", "Count media.", COUNTED),
    Variable("GET_MEDIA_TOKEN_NOT_STREAM", "Vendors", "false", "Count media of unstreamed requests.", COUNTED),
    Variable("CountToken", "Vendors", "true", "Count tokens.", COUNTED),
    Variable("UPDATE_TASK", "Tasks", "true", "Poll tasks.", TASKS),
    Variable("TASK_QUERY_LIMIT", "Tasks", "1000", "Tasks polled at once.", TASKS),
    Variable("TASK_TIMEOUT_MINUTES", "Tasks", "1440", "When a task has failed.", TASKS),
    Variable("TASK_PRICE_PATCH", "Tasks", "", "Models priced per task.", TASKS),
    Variable("COHERE_SAFETY_SETTING", "Vendors", "NONE", "Cohere's safety mode.",
             "the interface Cohere is spoken to by has no such member"),
    Variable("DIFY_DEBUG", "Vendors", "true", "Tell what Dify's workflows do.", "not yet: it comes with Dify"),
    Variable("ALI_ANTHROPIC_MESSAGES_MODELS", "Vendors", "qwen,deepseek-v4,kimi,glm,minimax-m",
             "Models Ali serves in the Messages form.", "the list is part of the table of vendors"),
)  # fmt: skip
"""New API's variables that are understood, and why nothing obeys them."""


def known() -> frozenset[str]:
    """Every variable that means something."""
    names = {variable.name for variable in (*OWN, *NOT_OBEYED)}
    for settings in (CoreSettings, FrontSettings):
        for field in dataclasses.fields(settings):
            names |= {field.metadata.get("env", ""), *field.metadata.get("also", ())}
    return frozenset(names - {""})


def warnings(environ: Mapping[str, str]) -> list[str]:
    """What to tell at start: slips of the pen, and variables that are set and do nothing."""
    names = known()
    strange = (name for name in sorted(environ) if name.startswith(PREFIX) and name not in names)
    told = [f"{name} is no setting; see `isthmus config`" for name in strange]
    told += [
        f"{variable.name} is set and does nothing: {variable.why_not}"
        for variable in NOT_OBEYED
        if environ.get(variable.name, "") not in ("", variable.default)
    ]
    zone = environ.get("TZ", "").removeprefix(":")
    try:
        zoneinfo.ZoneInfo(zone or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        told.append(f"TZ is no zone such as Asia/Shanghai but {zone!r}; expressions count in UTC")
    return told


def log_level(environ: Mapping[str, str]) -> str:
    """The level of the log, where no flag names one."""
    debug = environ.get("DEBUG", "").strip().lower() in ("1", "true", "yes", "on")
    return environ.get("ISTHMUS_LOG_LEVEL") or ("DEBUG" if debug else "INFO")


def check(core: CoreSettings) -> None:
    """What a type cannot say. Raises BadSetting."""
    if core.sql_max_open < 1:
        raise BadSetting("SQL_MAX_OPEN_CONNS must be 1 or more")


def report(settings: Iterable[Setting], environ: Mapping[str, str]) -> str:
    """What `isthmus config` prints: every setting and variable by group, with value, default, source and help."""
    blocks: dict[str, list[str]] = {}
    for each in settings:
        source = "" if each.source == "default" else f"   (from {each.source}; default {each.default or 'empty'})"
        variables = ", else ".join(each.variables) or "set by the command"
        blocks.setdefault(each.group, []).append(f"{each.name} = {each.value}{source}\n    {variables}: {each.help}")
    for own in OWN:
        told = environ.get(own.name, "")
        value = f"{told}   (from {own.name}; default {own.default})" if told else own.default
        blocks.setdefault(own.group, []).append(f"{own.name} = {value}\n    {own.help}")
    parts = [f"[{group}]\n" + "\n".join(lines) for group, lines in blocks.items()]
    idle = []
    for variable in NOT_OBEYED:
        mark = " (set)" if environ.get(variable.name) else ""
        idle.append(f"{variable.name}{mark}\n    {variable.help} Not obeyed: {variable.why_not}.")
    parts.append("[understood, obeyed by nothing]\n" + "\n".join(idle))
    return "\n\n".join(parts)
