"""Structured logs: one JSON object a line on standard error, with request ids, without prompts or keys."""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime

import orjson

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
SECRETS = re.compile(r"(sk-|Bearer |key=|token=|secret=|password=)[^\s&\"',;]{4,}", re.IGNORECASE)
DSN_PASSWORD = re.compile(r"(://[^:/@\s]+:)[^@\s]+@")


def mask(text: str) -> str:
    """The text with what looks like a credential taken out."""
    return DSN_PASSWORD.sub(r"\1***@", SECRETS.sub(r"\1***", text))


class JsonFormatter(logging.Formatter):
    """A record as a JSON line: time, level, logger, message, extras, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in STANDARD:
                line[name] = mask(value) if isinstance(value, str) else value
        if record.exc_info:
            line["traceback"] = mask(self.formatException(record.exc_info))
        return orjson.dumps(line, default=str).decode()


def configure(level: str = "INFO") -> None:
    """Sends every logger to standard error as JSON; may be called again."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("isthmus").setLevel(level.upper())
    for name in ("sanic.root", "sanic.error", "sanic.server", "sanic.access"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
        logger.setLevel(logging.WARNING)
