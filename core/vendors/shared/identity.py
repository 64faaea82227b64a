"""Who asks, within what vendors take: ids of a length they allow, and the session that a client's id tells of."""

from __future__ import annotations

import hashlib
import re

import orjson

USER_MOST = 64
"""Characters of a user that OpenAI takes, and with it whoever copies it. Claude Code's ids are longer (OpenRouter
takes 128, Zhipu and VolcEngine 6 to 128)."""
FOREIGN_USER_MOST = 128
"""Of metadata.user_id at vendors that merely speak Anthropic's form."""
CALL_MOST = 64
"""Characters of a call's id in the Responses form."""
CHAT_CALL_MOST = 40
"""And in the chat form, at OpenAI."""
HASH = 16
_SESSION = re.compile(r"_session_([A-Za-z0-9-]{8,64})$")
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


def user_of(told: str, most: int = USER_MOST) -> str:
    """An end user's id as it is, or its hash where it is too long: the same one each time, and still one of its own."""
    return told if len(told) <= most else hashlib.sha256(told.encode()).hexdigest()


def session_of(user: str) -> str:
    """The session in an end user's id as Claude Code writes it (`..._session_<id>`, or JSON); "": there is none."""
    if found := _SESSION.search(user):
        return found[1]
    if not user.startswith("{"):
        return ""
    try:
        told = orjson.loads(user)
    except orjson.JSONDecodeError:
        return ""
    session = told.get("session_id") if isinstance(told, dict) else None
    return session if isinstance(session, str) and _WORD.fullmatch(session) else ""


def header_word(key: str) -> str:
    """A cache key as a header's value: itself where it is a plain word, else its hash; "" of nothing."""
    if not key or _WORD.fullmatch(key):
        return key
    return hashlib.sha256(key.encode()).hexdigest()


def call_id_of(told: str, most: int) -> str:
    """A call's id that is not too long: call and result are cut alike, and stay a pair."""
    if len(told) <= most:
        return told
    return f"{told[: most - HASH - 1]}_{hashlib.sha256(told.encode()).hexdigest()[:HASH]}"
