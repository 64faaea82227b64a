"""One file by its address: looked up, judged, connected at the very address that was judged, read within limits.

Nothing is kept between two fetches: no connection, no cookie, no name's address. A redirect is a new address, and
judged like the first.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

from core.errors import Overloaded
from core.fetch.rules import Address, Place, Refused, Rules, place_of
from core.fetch.sniff import sniff
from core.upstream.connection import Connection
from core.upstream.encoding import inflater_of
from core.upstream.interface import Timeouts, UpstreamFailure
from core.version import VERSION

REDIRECTS_MOST = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
ADDRESSES_MOST = 3
"""Addresses of a host that are tried."""
CONNECT_SECONDS = 5.0
AT_ONCE = 64
"""Fetches of one worker at once; more wait."""
WIRE_ROOM = 64 << 10
"""Bytes that compressed bodies may be longer than what is in them."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port -> addresses as text. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file: its bytes, and the MIME type they begin like ("": none that is known)."""

    data: bytes
    mime: str


class Room:
    """Bytes of all files a worker holds at once."""

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0

    def take(self, count: int) -> None:
        """Raises Overloaded where there is no room."""
        if self.held + count > self.limit:
            raise Overloaded("Too many files are being fetched; try again later.", retry_after_ms=1000)
        self.held += count

    def give(self, count: int) -> None:
        """Frees bytes."""
        self.held -= count


class Budget:
    """What one request may still take; what it took goes back to the room when it ends."""

    def __init__(self, room: Room, most: int) -> None:
        self._room, self._most, self._taken = room, most, 0

    def take(self, count: int) -> None:
        """Raises Refused where the request, its files included, would be too large; Overloaded."""
        if self._taken + count > self._most:
            raise Refused("with it the request is too large")
        self._room.take(count)
        self._taken += count

    def close(self) -> None:
        """Gives all back; may be called twice."""
        self._room.give(self._taken)
        self._taken, self._most = 0, 0


class Fetcher:
    """One a worker. limit: bytes of one file. seconds: for all of a file, redirects included."""

    def __init__(self, limit: int, seconds: float, in_flight: int, resolve: Resolve | None = None) -> None:
        self.limit, self.seconds = limit, seconds
        self.room = Room(in_flight)
        self._resolve = resolve or _resolve
        self._places: asyncio.Semaphore | None = None
        self._tls: ssl.SSLContext | None = None

    async def fetch(self, url: str, rules: Rules, budget: Budget) -> Fetched:
        """The file behind an address. Raises Refused, which says why; Overloaded."""
        if self._places is None:
            self._places = asyncio.Semaphore(AT_ONCE)
        try:
            async with asyncio.timeout(self.seconds), self._places:
                for _ in range(REDIRECTS_MOST + 1):
                    found = await self._one(place_of(url), rules, budget)
                    if isinstance(found, Fetched):
                        return found
                    url = urljoin(url, found)
        except TimeoutError:
            raise Refused(f"it did not arrive within {self.seconds:g} s") from None
        raise Refused(f"it is redirected more than {REDIRECTS_MOST} times")

    async def _one(self, place: Place, rules: Rules, budget: Budget) -> Fetched | str:
        """The file, or where it is redirected to. Raises Refused."""
        rules.check_place(place)
        timeouts = Timeouts(CONNECT_SECONDS, self.seconds, self.seconds)
        connection = await self._connect(place, await self._addresses(place, rules))
        try:
            reply = connection.begin(_head(place), b"", False)
            await connection.head(reply, timeouts)
            if reply.status in REDIRECTS and reply.headers.get("location"):
                return reply.headers["location"]
            if reply.status != 200:
                raise Refused(f"its server answered {reply.status}")
            told = reply.headers.get("content-length", "")
            if told.isdecimal() and int(told) > self.limit:
                raise self._too_large()
            inflater = inflater_of(reply.headers.get("content-encoding", ""))
            pieces: list[bytes] = []
            wire = size = 0
            while data := await connection.chunk(reply, timeouts):
                wire += len(data)
                if wire > self.limit + WIRE_ROOM:
                    raise self._too_large()
                for piece in (data,) if inflater is None else inflater.feed(data):
                    size += len(piece)
                    if size > self.limit:
                        raise self._too_large()
                    budget.take(len(piece))
                    pieces.append(piece)
            if inflater is not None:
                inflater.end()
        except UpstreamFailure as failure:
            raise Refused("its server broke off") from failure
        finally:
            connection.abort()
        whole = b"".join(pieces)
        if not whole:
            raise Refused("it is empty")
        return Fetched(whole, sniff(whole, place.path, reply.headers.get("content-type", "")))

    def _too_large(self) -> Refused:
        return Refused(f"it is larger than {self.limit >> 20} MB")

    async def _addresses(self, place: Place, rules: Rules) -> Sequence[Address]:
        """The machines behind a host, every one of them allowed. Raises Refused."""
        if place.literal is not None:
            return (place.literal,)
        try:
            texts = await self._resolve(place.host, place.port)
            found = [ipaddress.ip_address(text.partition("%")[0]) for text in dict.fromkeys(texts)]
        except (OSError, ValueError):
            found = []
        if not found:
            raise Refused("its host is not known")
        for address in found:
            rules.check_address(address)
        return found[:ADDRESSES_MOST]

    async def _connect(self, place: Place, addresses: Sequence[Address]) -> Connection:
        """A connection to one of the addresses that were judged, by number: the name is not looked up again."""
        loop = asyncio.get_running_loop()
        tls = self._context() if place.scheme == "https" else None
        for address in addresses:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    _, connection = await loop.create_connection(
                        lambda: Connection(loop, Connection.abort),
                        str(address),
                        place.port,
                        ssl=tls,
                        server_hostname=place.host if tls is not None else None,
                    )
            except (OSError, TimeoutError):  # TLS errors are among the first
                continue
            return connection
        raise Refused("its host could not be connected")

    def _context(self) -> ssl.SSLContext:
        """TLS settings, made on first use."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def _head(place: Place) -> bytes:
    """A request that says nothing of who asks."""
    return (
        f"GET {place.path} HTTP/1.1\r\nHost: {place.authority}\r\nUser-Agent: Isthmus/{VERSION}\r\nAccept: */*\r\n"
        "Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


async def _resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]
