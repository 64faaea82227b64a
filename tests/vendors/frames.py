"""AWS event streams for tests: messages as the specification frames them, written apart from botocore's reader."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """One message: prelude, headers of type string, payload, both checksums."""
    packed = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    prelude += struct.pack(">I", zlib.crc32(prelude))
    body = prelude + packed + payload
    return body + struct.pack(">I", zlib.crc32(body))


def event(kind: str, payload: Any) -> bytes:
    """An event of Converse, or any other, with its payload as JSON."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())


def failure(kind: str, said: str) -> bytes:
    """An exception inside the stream."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, json.dumps({"message": said}).encode())


def chunk(payload: Any) -> bytes:
    """An event of InvokeModelWithResponseStream: the model's own event as base64, padded as Bedrock does."""
    told = base64.b64encode(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()).decode()
    return event("chunk", {"bytes": told, "p": "abcdefghij"})


def stream(given: list[dict[str, Any]]) -> bytes:
    """The messages a golden file shows: {event: payload}, {"chunk": event}, {"exception": [kind, message]}."""
    out = b""
    for one in given:
        kind, payload = next(iter(one.items()))
        if kind == "exception":
            out += failure(*payload)
        elif kind == "chunk":
            out += chunk(payload)
        else:
            out += event(kind, payload)
    return out
