"""What an Ollama server does beside answering: fetching models, deleting them, telling its version.

https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson

from core.errors import InvalidRequest, VendorBroken, VendorTimeout
from core.pipeline.attempt import failure_error
from core.pipeline.inquiry import Inquirer
from core.state.types import Channel
from core.upstream.interface import UpstreamFailure
from core.vendors.interface import VendorRequest
from core.vendors.shared.headers import headers
from core.vendors.table import ROWS

OLLAMA = 4
"""The channel type."""
LINE_MOST = 1 << 20
PULL_SECONDS = 6 * 3600.0
"""Longest a model may take to be fetched."""
SILENCE_SECONDS = 300.0
_ROW = next(row for row in ROWS if row.number == OLLAMA)


class OllamaServer:
    """A channel's server."""

    def __init__(self, inquirer: Inquirer, channel: Channel) -> None:
        if channel.type != OLLAMA:
            raise InvalidRequest("The channel is no Ollama server.", param="channel_id")
        self._inquirer = inquirer
        self._call = inquirer.call(channel)

    def _wire(self, method: str, path: str, body: Any = None) -> VendorRequest:
        sent = orjson.dumps(body) if body is not None else b""
        return VendorRequest(method, self._call.channel.base_url.rstrip("/") + path, headers(_ROW, self._call), sent)

    async def version(self) -> str:
        """As the server tells it. Raises VendorError."""
        told = _object(await self._inquirer.ask(self._wire("GET", "/api/version"), self._call))
        return str(told.get("version", ""))[:64]

    async def delete(self, model: str) -> None:
        """Raises VendorError, where there is no such model, too."""
        await self._inquirer.ask(self._wire("DELETE", "/api/delete", {"model": model}), self._call)

    async def pull(self, model: str) -> AsyncGenerator[bytes, None]:
        """Lines of progress, each a JSON object. Raises VendorError, where the server tells an error, too."""
        wire = self._wire("POST", "/api/pull", {"model": model, "stream": True})
        answer = await self._inquirer.open(wire, self._call, SILENCE_SECONDS)
        rest = b""
        try:
            async with asyncio.timeout(PULL_SECONDS):
                async for chunk in answer.chunks():
                    *lines, rest = (rest + chunk).split(b"\n")
                    if len(rest) > LINE_MOST:
                        raise VendorBroken("A line of progress is too long.")
                    for line in lines:
                        if line.strip():
                            yield _told(line)
            if rest.strip():
                yield _told(rest)
        except TimeoutError:
            raise VendorTimeout() from None
        except UpstreamFailure as failure:
            raise failure_error(failure) from failure
        finally:
            await answer.aclose()


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise VendorBroken("The server's answer is no JSON object.")
    return found


def _told(line: bytes) -> bytes:
    """A line, checked. Raises VendorBroken where it tells an error."""
    found = _object(line)
    if found.get("error"):
        raise VendorBroken(str(found["error"])[:500])
    return orjson.dumps(found)
