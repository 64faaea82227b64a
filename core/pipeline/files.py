"""Files that a client names by address, for vendors that want their bytes: fetched once a request, before encoding."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from isthmus.v1 import chat_pb2, embedding_pb2, parts_pb2

from core.errors import InvalidRequest
from core.fetch.fetcher import Budget, Fetched, Fetcher
from core.fetch.rules import Refused, Rules

MOST = 64
"""Addresses of one request."""
AT_ONCE = 4
"""Of one request."""
SLICE = 3 << 20
"""Bytes encoded in one go: the event loop is not stopped for a large file."""
_SOUNDS = {
    "audio/mpeg": "mp3", "audio/wav": "wav", "audio/flac": "flac", "audio/ogg": "ogg", "audio/aac": "aac",
    "audio/aiff": "aiff", "audio/mp4": "m4a",
}  # fmt: skip
_TEXTS = ("text/", "application/json", "application/xml")
_CALLED = {"image": "a picture", "audio": "sound", "video": "a film"}
Wants = Callable[[str, str], bool]
"""Kind of part, address -> whether the form needs its bytes."""


@dataclass(frozen=True, slots=True)
class _File:
    """A fetched file as the canonical message holds it: base64 or, of texts, the text."""

    mime: str
    base64: str = ""
    text: str = ""


@dataclass(slots=True, eq=False)
class Files:
    """What one request has fetched; closed when the request ends."""

    fetcher: Fetcher
    rules: Rules
    budget: Budget
    _held: dict[str, _File] = field(default_factory=dict)

    async def ready(self, canonical: Any, wants: Wants) -> Any:
        """The request with the files a form wants in it; the same message where it wants none.

        Raises InvalidRequest that names the client's field where one cannot be had, Overloaded.
        """
        found = [(kind, media, path) for kind, media, path in media_of(canonical) if _is_wanted(kind, media, wants)]
        if not found:
            return canonical
        urls = dict.fromkeys(media.url for _, media, _ in found if media.url not in self._held)
        if len(self._held) + len(urls) > MOST:
            raise InvalidRequest(f"More than {MOST} files are named by address.", param=_named(*found[-1][1:]))
        await self._fetch({url: _first(url, found) for url in urls})
        made = type(canonical)()
        made.CopyFrom(canonical)
        for kind, part, media, path in _parts_of(made):
            if _is_wanted(kind, media, wants):
                _fill(part, kind, media, self._held[media.url], _named(media, path))
        return made

    def close(self) -> None:
        """Forgets what was fetched."""
        self._held.clear()
        self.budget.close()

    async def _fetch(self, places: dict[str, str]) -> None:
        """Several at once; the first one that fails, in the request's order, ends them all."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(url: str) -> _File:
            async with turns:
                return await _encoded(await self.fetcher.fetch(url, self.rules, self.budget))

        tasks = {url: asyncio.ensure_future(one(url)) for url in places}
        try:
            for url, task in tasks.items():
                try:
                    self._held[url] = await task
                except Refused as refused:
                    path = places[url]
                    raise InvalidRequest(f"The file in {path} cannot be fetched: {refused}.", param=path) from refused
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)


def text_bytes(canonical: Any) -> int:
    """Bytes of texts that stand in files: they are read like the prompt itself."""
    return sum(len(media.text.encode()) for kind, media, _ in media_of(canonical) if kind == "file" and media.text)


def media_of(canonical: Any) -> Iterator[tuple[str, parts_pb2.Media, str]]:
    """Kind, medium and canonical path of every medium of a chat or embedding request."""
    for kind, _, media, path in _parts_of(canonical):
        yield kind, media, path


_Found = tuple[str, parts_pb2.Part, parts_pb2.Media, str]


def _parts_of(canonical: Any) -> Iterator[_Found]:
    if isinstance(canonical, chat_pb2.ChatRequest):
        for index, message in enumerate(canonical.messages):
            yield from _within(message.parts, f"chat.messages[{index}].parts")
    elif isinstance(canonical, embedding_pb2.Embedding):
        for index, given in enumerate(canonical.inputs):
            if given.HasField("parts"):
                yield from _within(given.parts.parts, f"embedding.inputs[{index}].parts")


def _within(parts: Iterable[parts_pb2.Part], path: str) -> Iterator[_Found]:
    for index, part in enumerate(parts):
        kind = part.WhichOneof("kind")
        here = f"{path}[{index}].{kind}"
        if kind in ("image", "audio", "video", "file"):
            yield kind, part, getattr(part, kind).media, here + ".media.url"
            if kind == "file" and part.file.content:
                yield from _within(part.file.content, here + ".content")
        elif kind == "tool_result":
            yield from _within(part.tool_result.content, here + ".content")


def _is_wanted(kind: str, media: parts_pb2.Media, wants: Wants) -> bool:
    return (
        media.WhichOneof("source") == "url"
        and media.url[:8].lower().startswith(("http://", "https://"))
        and wants(kind, media.url)
    )


def _named(media: parts_pb2.Media, path: str) -> str:
    """What the client calls the field that holds an address."""
    return media.param or path


def _first(url: str, found: list[tuple[str, parts_pb2.Media, str]]) -> str:
    return next(_named(media, path) for _, media, path in found if media.url == url)


async def _encoded(fetched: Fetched) -> _File:
    data, mime = fetched.data, fetched.mime
    if mime.startswith(_TEXTS):
        return _File(mime, text=data.decode())
    pieces = []
    for first in range(0, len(data), SLICE):
        pieces.append(base64.b64encode(data[first : first + SLICE]).decode())
        if first + SLICE < len(data):
            await asyncio.sleep(0)
    return _File(mime, base64="".join(pieces))


def _fill(part: parts_pb2.Part, kind: str, media: parts_pb2.Media, file: _File, path: str) -> None:
    """Puts a file where its address was. Raises InvalidRequest where it is of another kind than the part."""
    family = file.mime.partition("/")[0]
    fits = bool(file.mime) if kind == "file" else family == kind or {family, kind} == {"audio", "video"}
    if not fits:
        wanted = _CALLED.get(kind, "a file of a known kind")
        raise InvalidRequest(f"What was fetched for {path} is not {wanted}.", param=path)
    if kind == "file" and not part.file.name:
        name = media.url.partition("?")[0].partition("#")[0].rpartition("/")[2]
        if 0 < len(name) <= 255 and "." in name:
            part.file.name = name
    if file.text:
        media.text = file.text
    else:
        media.base64 = file.base64
    media.mime_type = file.mime
    if kind == "audio":
        part.audio.format = _SOUNDS.get(file.mime, part.audio.format)
