"""Addresses and headers of requests to vendors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import parse_qs, quote

from core.errors import ChannelError
from core.vendors.interface import Call
from core.vendors.shared.azure import AZURE, deployment, placed
from core.vendors.table import PLANS, Row

_CLOUDFLARE = "https://gateway.ai.cloudflare.com"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CLIENT_HEADER = re.compile(r"\{client_header:([^}]+)\}")
_FOREIGN = ("anthropic.", "gemini.")
_KEY_HEADERS = frozenset({"api-key", "x-api-key", "x-goog-api-key"})
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer"})


def url(row: Row, path: str, call: Call, model: str) -> str:
    """The address: base, path, the client's query."""
    base = call.channel.base_url.rstrip("/")
    # Of clients that speak another house's form, the query says nothing to this vendor (Gemini's alt=sse).
    foreign = call.native is None or call.native.form.startswith(_FOREIGN)
    query = "" if foreign or call.native is None else call.native.query
    if not (query or row.bots or "{" in path or base in PLANS or base.startswith(_CLOUDFLARE) or "api-version" in path):
        return base + path
    if base in PLANS and path in (row.chat, row.responses):
        return PLANS[base] + ("/chat/completions" if path == row.chat else "/responses")
    if row.bots and path == row.chat and model.startswith("bot"):
        path = row.bots
    if base.startswith(_CLOUDFLARE):
        path = path.removeprefix("/v1") if row.number == 1 else path.removeprefix("/openai/deployments")
    azure = row.number == AZURE
    if azure:
        told = parse_qs(query).get("api-version", [""])[0]
        version = told or call.channel.other or call.house.azure_api_version
        path = placed(base, path, version).replace("{version}", quote(version, safe=""))
        model = deployment(model, call.channel.created)
    if azure or "api-version=" in path:
        query = "&".join(item for item in query.split("&") if item and not item.startswith("api-version="))
    path = path.replace("{other}", quote(call.channel.other, safe=""))
    address = (base if path == "{base}" else base + path).replace("{model}", quote(model, safe="@:"))
    if query:
        address += ("&" if "?" in address else "?") + query
    return address


def headers(row: Row, call: Call, auth: str = "", more: Iterable[tuple[str, str]] = ()) -> tuple[tuple[str, str], ...]:
    """Content type, credentials, and the channel's own headers, which win. Raises ChannelError.

    auth stands for the row's where a form of the vendor has one of its own; more are headers of the form.
    """
    channel = call.channel
    named = (*row.headers, *row.stream_headers) if call.stream else row.headers
    filled = (channel.other, call.options.get("ServerAddress", "")) if named else ("", "")
    own = _own(auth or row.auth, call.secret, call.stream, named, filled, channel.organization, tuple(more))
    if not channel.header_override:
        return own
    out = {name.lower(): (name, value) for name, value in own}
    client = {h.name: h.value for h in call.native.headers} if call.native is not None else {}
    for name, template in channel.header_override.items():
        lower = str(name).lower()
        if not _NAME.fullmatch(str(name)) or lower in _FRAMING:
            raise ChannelError("The channel overrides a header that cannot be set.")
        value = _filled(str(template), call.secret, client)
        if value is not None:
            out[lower] = (str(name), _checked(value))
    return tuple(out.values())


def checked_header(name: str, value: str) -> bool:
    """Whether a header may be set at all."""
    return bool(_NAME.fullmatch(name)) and name.lower() not in _FRAMING and not _BAD_VALUE.search(value)


@lru_cache(maxsize=4096)
def _own(
    auth: str,
    secret: str,
    stream: bool,
    named: tuple[tuple[str, str], ...],
    filled: tuple[str, str],
    organization: str,
    more: tuple[tuple[str, str], ...],
) -> tuple[tuple[str, str], ...]:
    """The headers without the channel's overrides: the same for every request of one of its keys.

    filled: what {other} and {server} stand for.
    """
    out = {
        "content-type": ("Content-Type", "application/json"),
        "accept": ("Accept", "text/event-stream" if stream else "application/json"),
    }
    if auth in _KEY_HEADERS:
        if secret or auth != "x-api-key":
            out[auth] = (auth, secret)
    elif auth == "baidu" and "|" in secret:
        secret, application = secret.split("|", 1)
        out["appid"] = ("appid", application)
    if auth not in _KEY_HEADERS and auth != "none" and (secret or auth != "bearer-optional"):
        out["authorization"] = ("Authorization", f"Bearer {secret}")
    for name, plain in named:
        if value := plain.replace("{other}", filled[0]).replace("{server}", filled[1]):
            out[name.lower()] = (name, value)
    if organization:
        out["openai-organization"] = ("OpenAI-Organization", organization)
    out.update({name.lower(): (name, value) for name, value in more})
    return tuple((name, _checked(value)) for name, value in out.values())


def _checked(value: str) -> str:
    """The value, where a header may hold it. Raises ChannelError."""
    if _BAD_VALUE.search(value) or not value.isascii():
        raise ChannelError("A header or the key of the channel holds characters that no header may hold.")
    return value


def _filled(template: str, secret: str, client: Mapping[str, str]) -> str | None:
    """The template's value; None where it names a client header that did not come."""
    missing = False

    def of_client(found: re.Match[str]) -> str:
        nonlocal missing
        value = client.get(found[1].strip().lower())
        missing = missing or value is None
        return _BAD_VALUE.sub("", value or "")

    # The key goes in first and by itself: a client's header must not be able to name it.
    pieces = [_CLIENT_HEADER.sub(of_client, piece) for piece in template.split("{api_key}")]
    return None if missing else secret.join(pieces)
