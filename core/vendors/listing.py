"""How vendors list their models: where, with which credentials, and how the answer is read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from core.errors import InvalidRequest
from core.vendors.interface import BadAnswer, Call, VendorRequest
from core.vendors.shared.azure import AZURE, V1
from core.vendors.shared.headers import headers
from core.vendors.table import PLANS, ROWS, Row

MODELS_MOST = 20_000
"""Names that one list may hold."""
PAGES_MOST = 50
_ANTHROPIC_VERSION = "2023-06-01"


@dataclass(frozen=True, slots=True)
class Listing:
    """path may hold {other}. page is the query parameter of the next page, next the answer's member that tells it."""

    path: str = "/v1/models"
    auth: str = ""
    """Stands for the row's."""
    page: str = ""
    next: str = ""
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


_PLAIN = Listing()
_LISTINGS: Mapping[int, Listing] = {
    3: Listing("/openai/models", query=(("api-version", "{version}"),)),
    4: Listing("/api/tags"),
    14: Listing(
        auth="x-api-key", page="after_id", next="last_id", query=(("limit", "1000"),),
        headers=(("anthropic-version", _ANTHROPIC_VERSION),),
    ),
    17: Listing("/compatible-mode/v1/models"),
    24: Listing(
        "/v1beta/models", auth="x-goog-api-key", page="pageToken", next="nextPageToken", query=(("pageSize", "1000"),)
    ),
    26: Listing("/api/paas/v4/models"),
    34: Listing(page="page_token", next="next_page_token", query=(("page_size", "1000"),)),
    39: Listing("/client/v4/accounts/{other}/ai/models/search"),
    45: Listing("/api/v3/models"),
    46: Listing("/v2/models"),
    1008: Listing("/catalog/models"),
    1010: Listing("/v1/openai/models"),
    1012: Listing("/openai/v1/models"),
}  # fmt: skip
"""Where a type's list is not OpenAI's (spec: model lists; the vendors' references for the rest)."""
_NONE = frozenset({8, 15, 16, 18, 23, 33, 37, 38, 41, 44, 49, 58, 1018, 1022})
"""Types that have no list: no such address, or one for each channel."""
_ROWS: Mapping[int, Row] = {row.number: row for row in ROWS}


def listing(call: Call, page: str = "") -> VendorRequest:
    """The request for a page of a channel's models. Raises InvalidRequest where its type has no list, ChannelError."""
    row = _ROWS.get(call.channel.type)
    if row is None or row.unavailable or row.number in _NONE:
        raise InvalidRequest(f"{row.name if row else 'This type'} has no list of models to be asked for.", param="type")
    found = _LISTINGS.get(row.number, _PLAIN)
    base = call.channel.base_url.rstrip("/")
    if base in PLANS:
        # Volc's plan alone has its list under a second /v1.
        address = PLANS[base] + ("/v1/models" if row.number == 45 else "/models")
    else:
        address = base + found.path.replace("{other}", quote(call.channel.other, safe=""))
    version = call.channel.other or call.house.azure_api_version
    query = [(name, value.replace("{version}", version)) for name, value in found.query]
    if row.number == AZURE and base.endswith(V1):
        address, query = f"{base}/models", []
    if page:
        query.append((found.page, page))
    if query:
        address += "?" + urlencode(query)
    return VendorRequest("GET", address, headers(row, call, found.auth, found.headers), b"")


def names(body: bytes, call: Call) -> tuple[list[str], str]:
    """The names of a page, and where the next begins (empty: it was the last). Raises BadAnswer."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("the list of models is not JSON") from None
    found = _LISTINGS.get(call.channel.type, _PLAIN)
    rows = answer
    following: Any = ""
    if isinstance(answer, dict):
        rows = next((answer[name] for name in ("data", "models", "result") if isinstance(answer.get(name), list)), None)
        more = found.next and answer.get("has_more", True)
        following = answer.get(found.next) if more else ""
    if not isinstance(rows, list):
        raise BadAnswer("there is no list of models")
    told = [name for name in map(_name, rows) if name]
    return told, following if isinstance(following, str) else ""


def _name(row: Any) -> str:
    """A model's name: an object's id or name, or the text itself; Gemini's without "models/"."""
    if isinstance(row, dict):
        # Ollama and Gemini know no id; Cloudflare's id is a number of its own, and its name the model's.
        name = row.get("name")
        own = isinstance(name, str) and name.startswith(("@", "models/"))
        row = name if own else row.get("id") or name
    return row.removeprefix("models/") if isinstance(row, str) else ""
