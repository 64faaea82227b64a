"""The record: one settled request as it lies in a journal.

    length u32 | crc32 u32 | kind u8 | entry u16 | id length u8 | draws u8 | request id
    | (purse i64, units i64) * draws | receipt

Little endian; length counts what follows the checksum, which covers just that.
A record's leases are not named: an incarnation has one lease per purse, so the
purse names it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

SETTLED = 1
"""A settlement: moves units from the leases to settled, and leaves a receipt."""
NOTED = 2
"""A receipt that moves no money."""
PROGRESS = 3
"""What a request has cost so far; billed at recovery if nothing ended it."""
ENDED = 4
"""A request with progress was released: its progress is void."""

MAX_RECORD = 1 << 26
"""Longest record in bytes; a longer length can only be damage."""
MAX_RECEIPT = MAX_RECORD >> 1
"""Longest receipt in bytes: with id and draws it is always within MAX_RECORD."""

_FRAME = struct.Struct("<II")
_HEAD = struct.Struct("<BHBB")
_DRAW = struct.Struct("<qq")
FRAME_BYTES = _FRAME.size


class JournalDamaged(Exception):
    """A journal holds bytes that no crash of a writer leaves behind. The message names file and offset."""


class Record(NamedTuple):
    """One record; end is the journal position after it, draws maps purse id -> units."""

    kind: int
    request_id: str
    entry: int
    draws: tuple[tuple[int, int], ...]
    receipt: bytes
    end: int = 0


def encode(kind: int, request_id: str, entry: int, draws: tuple[tuple[int, int], ...], receipt: bytes) -> bytes:
    """The record's bytes, frame included. Raises ValueError for what no replay could read."""
    name = request_id.encode()
    if len(name) > 255 or len(draws) > 255 or entry > 65535 or len(receipt) > MAX_RECEIPT:
        raise ValueError("A record holds at most 255 bytes of id, 255 draws, entry number 65535 and a 32 MB receipt.")
    head = _HEAD.pack(kind, entry, len(name), len(draws)) + name
    for draw in draws:
        head += _DRAW.pack(*draw)
    # The receipt is the long part: it is copied once, into the record.
    return _FRAME.pack(len(head) + len(receipt), crc32(receipt, crc32(head))) + head + receipt


def _decode(body: bytes, end: int) -> Record:
    kind, entry, name_length, count = _HEAD.unpack_from(body)
    at = _HEAD.size + name_length
    name = body[_HEAD.size : at].decode()
    draws = tuple(_DRAW.unpack_from(body, at + i * _DRAW.size) for i in range(count))
    return Record(kind, name, entry, draws, body[at + count * _DRAW.size :], end)


def scan(data: bytes, base: int, name: str) -> Iterator[Record]:
    """The whole records of data, whose first byte has position base.

    Stops before a torn last record: one whose frame or body reaches past the
    end, or whose checksum is wrong with nothing behind it. Any other damage
    raises JournalDamaged with name and position.
    """
    at, size = 0, len(data)
    while at < size:
        if size - at < FRAME_BYTES:
            return
        length, checksum = _FRAME.unpack_from(data, at)
        stop = at + FRAME_BYTES + length
        if length < _HEAD.size or length > MAX_RECORD:
            # A writer that died wrote a prefix of a true record: its length, if whole, was true.
            if not any(data[at:]):
                return
            raise JournalDamaged(f"{name}: no record begins at position {base + at}; the length is impossible.")
        if stop > size:
            if _later_record(data, at + 1):
                raise JournalDamaged(f"{name}: the record at position {base + at} is damaged, others follow it.")
            return
        body = data[at + FRAME_BYTES : stop]
        if crc32(body) != checksum:
            if stop == size or not any(data[stop:]):
                return
            raise JournalDamaged(f"{name}: the record at position {base + at} has a wrong checksum.")
        try:
            yield _decode(body, base + stop)
        except (struct.error, UnicodeDecodeError) as error:
            raise JournalDamaged(f"{name}: the record at position {base + at} cannot be read: {error}") from error
        at = stop


def _later_record(data: bytes, start: int) -> bool:
    """Whether a whole record lies anywhere from start: then what is before it is damaged, not torn."""
    size = len(data)
    for at in range(start, min(size - FRAME_BYTES, start + MAX_RECORD)):
        length, checksum = _FRAME.unpack_from(data, at)
        stop = at + FRAME_BYTES + length
        plausible = _HEAD.size <= length and stop <= size and data[at + FRAME_BYTES] in (1, 2, 3, 4)
        if plausible and crc32(memoryview(data)[at + FRAME_BYTES : stop]) == checksum:
            return True
    return False
