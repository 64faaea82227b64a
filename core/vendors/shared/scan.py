"""The members of a JSON object, found in its bytes without parsing what is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson

from core.errors import InvalidRequest

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_KEY = re.compile(rb"[ \t\r\n]*+(" + _STRING + rb")[ \t\r\n]*+:[ \t\r\n]*+", re.DOTALL)
_SCALAR = re.compile(_STRING + rb"|[^\s,\[\]{}\":]++", re.DOTALL)
_BRACKET = re.compile(rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+([\[\]{}])', re.DOTALL)
_NEXT = re.compile(rb"[ \t\r\n]*+([,}\]])")
_FLAT = re.compile(
    rb"[ \t\r\n]*+(" + _STRING + rb")[ \t\r\n]*+:[ \t\r\n]*+((?:" + _STRING + rb"|[^\s,\[\]{}\":]++))[ \t\r\n]*+([,}])",
    re.DOTALL,
)
"""A whole member whose value is no object and no list, with what follows it: most are."""
_SPACE = re.compile(rb"[ \t\r\n]*+")


@dataclass(slots=True)
class Member:
    """A member: its name, where its key begins, where its value is."""

    name: str
    start: int
    value: int
    end: int


def _malformed() -> InvalidRequest:
    return InvalidRequest("The request body is not a JSON object.")


def value_end(body: bytes, at: int) -> int:
    """Where the value that begins at `at` ends. Raises InvalidRequest."""
    if body[at : at + 1] not in (b"{", b"["):
        scalar = _SCALAR.match(body, at)
        if scalar is None:
            raise _malformed()
        return scalar.end()
    depth = 0
    while True:
        found = _BRACKET.match(body, at)
        if found is None:
            raise _malformed()
        at = found.end()
        depth += 1 if found[1] in b"{[" else -1
        if depth == 0:
            return at


def members(body: bytes, start: int = 0) -> list[Member]:
    """The members of the object that begins at start (white space before it allowed), duplicates too.

    Raises InvalidRequest where there is no object. Values are not checked beyond their brackets and quotes.
    """
    at = space_end(body, start)
    if body[at : at + 1] != b"{":
        raise _malformed()
    at += 1
    found: list[Member] = []
    while True:
        flat = _FLAT.match(body, at)
        if flat is not None:
            key_at, value_at = flat.span(1), flat.span(2)
            found.append(Member(_name(flat[1]), key_at[0], value_at[0], value_at[1]))
            if flat[3] == b"}":
                return found
            at = flat.end()
            continue
        key = _KEY.match(body, at)
        if key is None:
            end = _NEXT.match(body, at)
            if end is None or end[1] != b"}" or found:
                raise _malformed()
            return found
        end_at = value_end(body, key.end())
        found.append(Member(_name(key[1]), key.start(1), key.end(), end_at))
        separator = _NEXT.match(body, end_at)
        if separator is None or separator[1] == b"]":
            raise _malformed()
        if separator[1] == b"}":
            return found
        at = separator.end()


def _name(quoted: bytes) -> str:
    """A member's name."""
    return str(orjson.loads(quoted)) if b"\\" in quoted else quoted[1:-1].decode("utf-8", "replace")


def space_end(body: bytes, at: int) -> int:
    """The first byte from `at` on that is no white space."""
    found = _SPACE.match(body, at)
    return found.end() if found else at


def change(
    body: bytes,
    sets: dict[str, bytes],
    deletes: set[str],
    renames: dict[str, str],
    start: int = 0,
    known: list[Member] | None = None,
) -> bytes:
    """The object with members replaced, removed and renamed; all other bytes are kept.

    What is set and not there is appended. Of duplicates of a changed member only the last
    stays, because that is the one parsers see. known: the body's members, where they were read already.
    """
    if not sets and not deletes and not renames:
        return body
    if known is None:
        known = members(body, start)
    last = {member.name: number for number, member in enumerate(known)}
    pieces: list[bytes] = []
    at = 0
    kept = 0
    left = dict(sets)
    for number, member in enumerate(known):
        touched = member.name in sets or member.name in deletes or member.name in renames
        if not touched:
            kept += 1
            continue
        gone = member.name in deletes or last[member.name] != number
        if gone:
            first, after = _cut(body, known, number, kept, start)
            pieces.append(body[at:first])
            at = after
            continue
        kept += 1
        if member.name in renames:
            pieces += (body[at : member.start], orjson.dumps(renames[member.name]))
            at = member.start + len(_KEY_TEXT.match(body, member.start)[0])  # type: ignore[index]
        if member.name in left:
            pieces += (body[at : member.value], left.pop(member.name))
            at = member.end
    if left:
        place = known[-1].end if known else body.index(b"{", start) + 1
        pieces.append(body[at : max(at, place)])
        at = max(at, place)
        for name, value in left.items():
            pieces += (b"," if kept else b"", orjson.dumps(name), b":", value)
            kept += 1
    pieces.append(body[at:])
    return b"".join(pieces)


_KEY_TEXT = re.compile(_STRING, re.DOTALL)


def _cut(body: bytes, known: list[Member], number: int, kept: int, start: int) -> tuple[int, int]:
    """What to leave out for a member: with the comma before it, or, where it is the first, after."""
    member = known[number]
    if kept:
        return known[number - 1].end, member.end
    if number + 1 < len(known):
        return member.start, known[number + 1].start
    return member.start, member.end
