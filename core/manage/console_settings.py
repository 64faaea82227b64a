"""Options of New API's older consoles, brought by an import, moved to where they are read now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.errors import InvalidRequest
from core.manage import before_after
from core.options.table import validate
from core.services.context import Services

MOST = 50
"""Entries of a list that move (New API's figure)."""
OLD = ("ApiInfo", "Announcements", "FAQ", "UptimeKumaUrl", "UptimeKumaSlug")
LISTS = {"ApiInfo": "console_setting.api_info", "Announcements": "console_setting.announcements",
         "FAQ": "console_setting.faq"}  # fmt: skip
GROUPS = "console_setting.uptime_kuma_groups"


def moved(held: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """What is written, and which old rows go. What cannot be read stays where it is: nothing is lost."""
    written: dict[str, str] = {}
    gone: list[str] = []
    for old, new in LISTS.items():
        entries = _objects(held.get(old, ""))
        if entries is None:
            continue
        if old == "FAQ":
            entries = [entry for each in entries if (entry := _question(each))]
        written[new] = json.dumps(entries[:MOST], ensure_ascii=False)
        gone.append(old)
    url, slug = held.get("UptimeKumaUrl", "").strip(), held.get("UptimeKumaSlug", "").strip()
    if url and slug:
        written[GROUPS] = json.dumps([{"id": 1, "categoryName": "old", "url": url, "slug": slug, "description": ""}])
        gone += ["UptimeKumaUrl", "UptimeKumaSlug"]
    gone += [name for name in OLD if name in held and not held[name].strip()]
    return written, gone


def _objects(text: str) -> list[dict[str, Any]] | None:
    if not text.strip():
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(each, dict) for each in found) else None


def _question(entry: dict[str, Any]) -> dict[str, str] | None:
    """A question under its names of now; None without a question or an answer."""
    question, answer = entry.get("question") or entry.get("title"), entry.get("answer") or entry.get("content")
    if not isinstance(question, str) or not isinstance(answer, str) or not question or not answer:
        return None
    return {"question": question, "answer": answer}


async def move(services: Services) -> None:
    """Moves them; twice is once. Raises InvalidRequest where a value does not fit, with nothing moved."""
    held = await services.store.options.all()
    written, gone = moved(held)
    for name, value in written.items():
        try:
            validate(name, value)
        except InvalidRequest as error:
            raise InvalidRequest(f"The old value of {name} does not fit: {error.message}") from error
    if not written and not gone:
        return
    before_after.changed({name: held.get(name) for name in written}, written)
    await services.store.options.set_many(written, remove=gone)
    await services.state.refresh()
