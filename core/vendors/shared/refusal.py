"""Error answers of any shape: what they say, with secrets and addresses masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import common_pb2

from core.vendors.interface import VendorRefusal

MESSAGE_LIMIT = 2000
"""Characters of a vendor's message that are passed on."""
WAIT_LIMIT_MS = 24 * 3600 * 1000
"""A longer wait is not believed."""

_MASKS = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=*-]{6,}"), r"\1 ***"),
    (
        re.compile(r"\b(?:sk|pk|rk|gsk|xai|hf|nvapi|pplx|jina|pa|r8|fw|tgp|csk)[-_][A-Za-z0-9_*.-]{6,}"),
        "***",
    ),
    (re.compile(r"\bAIza[A-Za-z0-9_-]{10,}"), "***"),
    (
        re.compile(
            r"(?i)\b((?:api[-_ ]?key|access[-_ ]?token|token|secret|password)\s*[=:]\s*)[\"']?[^\s\"',;&]{6,}"
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)\b(?:https?|wss?|socks5h?|grpc)://[^\s\"'<>)\]]+"), "[address]"),
    (re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?![\d.])"), "[address]"),
    (
        re.compile(
            r"(?<![\w:])(?:\[(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}\](?::\d{1,5})?"
            r"|(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f]{1,4})(?![\w:])"
        ),
        "[address]",
    ),
    (re.compile(r"(?i)\blocalhost(?::\d{1,5})?\b"), "[address]"),
)  # fmt: skip
_DOTTED = re.compile(r"(?i)(?<![a-z0-9.-])([a-z0-9.-]++)((?::\d{1,5})?+(?:/[^\s\"'<>)\]]*+)?+)")
"""A run that may be a host's name, with port and path. It is taken whole and looked at once: vendors quote what
clients sent, and a pattern that tries every part of "a.a.a.a" stood the event loop still for seconds."""
_LAST = frozenset({
    "com", "net", "org", "io", "ai", "cn", "dev", "app", "cloud", "co", "xyz", "local", "internal", "lan", "run",
    "tech", "site", "top", "us", "eu", "de", "uk", "fr", "ru", "jp", "kr", "sh", "me", "info", "biz", "svc", "nvidia",
})  # fmt: skip
"""How hosts' names end."""
_TAGS = re.compile(r"(?is)<(script|style)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>?")
_TITLE = re.compile(r"(?i)<title[^<>]*>([^<]*)")
_TRY_AGAIN = re.compile(
    r"(?i)(?:try again|retry|available|reset[s]?)(?: again)?(?: in| after)\s+((?:\d+(?:\.\d+)?\s*"
    r"(?:ms|milliseconds?|h(?:ours?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)\s*)+)"
)
_DURATION = re.compile(r"(?i)(\d+(?:\.\d+)?)\s*(ms|milli|h|m|s)")
_UNITS = {"ms": 1, "milli": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def mask(text: str) -> str:
    """The text without keys, bearer tokens, addresses and hosts; bounded."""
    text = text[: MESSAGE_LIMIT * 4]
    for pattern, replacement in _MASKS:
        text = pattern.sub(replacement, text)
    text = _DOTTED.sub(_host, text)
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + "..."


def _host(found: re.Match[str]) -> str:
    """The run with a host's name in it masked, or as it was."""
    labels = found[1].split(".")
    for last in range(len(labels) - 1, 0, -1):
        end, dash, rest = labels[last].partition("-")
        if end.lower() in _LAST and labels[last - 1]:
            break
    else:
        return found[0]
    first = last - 1
    while first and labels[first - 1]:
        first -= 1
    before = ".".join([*labels[:first], ""])
    after = dash + ".".join([rest, *labels[last + 1 :]])
    # Port and path belong to the name where nothing stands between.
    return f"{before}[address]{after}{found[2] if after else ''}"


def read(status: int, headers: Mapping[str, str], body: bytes, secret: str = "") -> VendorRefusal:
    """An error answer: JSON of OpenAI's form, other JSON, HTML, text or nothing."""
    message, kind, code, param = _said(body)
    if secret and len(secret) >= 6:
        message = message.replace(secret, "***")
    message = mask(" ".join(message.split()))
    return VendorRefusal(
        status=status,
        message=message or f"The vendor answered with status {status} and no message.",
        kind=mask(kind)[:128],
        code=mask(code)[:128],
        param=mask(param)[:128],
        retry_after_ms=_retry_after(headers, message) if status in (429, 503, 529, 500, 502, 504) else 0,
    )


def fault(error: Any, secret: str = "") -> common_pb2.Fault:
    """An error object inside a stream."""
    refusal = read(502, {}, orjson.dumps({"error": error}), secret)
    status = status_of(error)
    return common_pb2.Fault(
        reason="VENDOR_ERROR",
        message=refusal.message,
        http_status=status,
        grpc_code=14,
        vendor_code=refusal.code or refusal.kind,
        param=refusal.param,
        retry_after_ms=refusal.retry_after_ms,
    )


_STATUS_OF_TYPE = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "rate_limit_exceeded": 429,
    "insufficient_quota": 429, "api_error": 500, "timeout_error": 504, "overloaded_error": 529,
}  # fmt: skip
"""Error types that say a status: Anthropic's, and OpenAI's for limits."""


def status_of(error: Any) -> int:
    """A status told inside the error object (OpenRouter: code 429) or by its type, else 502."""
    if isinstance(error, dict):
        for name in ("http_status", "status_code", "code", "status"):
            value = error.get(name)
            text = str(value)
            if not isinstance(value, bool) and re.fullmatch(r"[45]\d\d", text):
                return int(text)
        return _STATUS_OF_TYPE.get(str(error.get("type")), 502)
    return 502


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, dict | list):
        return orjson.dumps(value).decode()
    return str(value)


def _said(body: bytes) -> tuple[str, str, str, str]:
    """Message, type, code, parameter."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _plain(body), "", "", ""
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        return _text(parsed), "", "", ""
    inner = parsed.get("error")
    error = inner if isinstance(inner, dict) else parsed
    message = ""
    for name in (
        "message",
        "msg",
        "error_msg",
        "errorMessage",
        "detail",
        "error_description",
        "reason",
        "title",
        "errors",
    ):
        message = message or _text(error.get(name))
    if isinstance(inner, str):
        message = message or inner
    metadata = error.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("raw"), str):
        message = f"{message}: {metadata['raw']}"
    details = error.get("details")
    told = details.get("error_code") if isinstance(details, dict) else None
    code = _text(error.get("code") or error.get("error_code") or error.get("errorCode") or told)
    return (
        message or _text(inner),
        _text(error.get("type")) or (error["status"] if isinstance(error.get("status"), str) else ""),
        code,
        _text(error.get("param")),
    )


def _plain(body: bytes) -> str:
    """HTML's title or text, or the text itself."""
    text = body[:16_384].decode("utf-8", "replace")
    if "<" not in text:
        return text
    title = _TITLE.search(text)
    return title[1] if title else _TAGS.sub(" ", text)


def _retry_after(headers: Mapping[str, str], message: str) -> int:
    """Milliseconds, from Retry-After (seconds), retry-after-ms, x-ratelimit-reset*, or words; 0: not told."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is None:
        seconds = _number(headers.get("retry-after", ""))
        milliseconds = None if seconds is None else seconds * 1000
    if milliseconds is None:
        found = _TRY_AGAIN.search(message)
        milliseconds = _duration(found[1]) if found else None
    if milliseconds is None:
        waits = [_exhausted(headers, kind) for kind in ("requests", "tokens")]
        milliseconds = max((wait for wait in waits if wait is not None), default=None)
    if milliseconds is None:
        milliseconds = _duration(headers.get("x-ratelimit-reset", ""))
    if milliseconds is None or not 0 < milliseconds <= WAIT_LIMIT_MS:
        return 0
    return int(milliseconds) or 1


def _exhausted(headers: Mapping[str, str], kind: str) -> float | None:
    """When the limit of a kind is free again, where nothing of it remains."""
    if headers.get(f"x-ratelimit-remaining-{kind}", "0").strip() not in ("0", ""):
        return None
    return _duration(headers.get(f"x-ratelimit-reset-{kind}", ""))


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d{1,12}(?:\.\d{1,6})?\s*", text) else None


def _duration(text: str) -> float | None:
    """Milliseconds of "6m0s", "3.2s", "120ms", or of bare seconds; None where it is none."""
    bare = _number(text)
    if bare is not None:
        return bare * 1000
    total = [float(number) * _UNITS[unit.lower()] for number, unit in _DURATION.findall(text)]
    return sum(total) if total else None
