"""The one interface of HTTP clients that vendors are reached by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds a phase may take; 0: no limit."""

    connect: float = 10.0
    first_byte: float = 300.0
    idle: float = 300.0
    """Between two reads of the body."""


@dataclass(slots=True)
class UpstreamRequest:
    """One HTTP request; not to be changed (freezing it would cost more than all else of it).

    Header names are as they go out; Host and Content-Length are the client's business.
    proxy is "" or an http://, https://, socks5:// address. A ws:// or wss:// address
    is a websocket: body is the first message, the answer's messages come as
    server-sent events, and last() tells which of them ends it.
    """

    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes = b""
    timeouts: Timeouts = Timeouts()
    proxy: str = ""
    last: Callable[[bytes], bool] | None = None


class UpstreamFailure(Exception):
    """The exchange failed on the way; the vendor's own errors are answers, not failures.

    phase is "connect", "write", "first_byte" or "body". The text holds no
    address and no credential.
    """

    def __init__(self, message: str, phase: str) -> None:
        super().__init__(message)
        self.phase = phase


class ConnectFailed(UpstreamFailure):
    """No connection: refused, DNS, TLS, proxy."""


class TimedOut(UpstreamFailure):
    """A phase took longer than its limit."""


class ConnectionBroken(UpstreamFailure):
    """Reset, or closed before the answer was whole."""


class ProtocolBroken(UpstreamFailure):
    """Not HTTP, bad chunking, bad compression, a line or a header block too long."""


class AnswerTooLarge(UpstreamFailure):
    """More bytes than read() was allowed."""


class UpstreamAnswer(Protocol):
    """An answer whose head has arrived."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names; repeated headers joined by ", "."""

    async def read(self, limit: int) -> bytes:
        """The whole body, decompressed, at most limit bytes; frees the connection."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, decompressed; what arrived in one read is one chunk.

        Back-pressure: while the consumer does not ask, little more is read
        from the socket than one buffer.
        """

    async def aclose(self) -> None:
        """Ends the exchange; a connection with unread body is closed. May be called twice."""


class Upstream(Protocol):
    """A pool of connections."""

    async def send(self, request: UpstreamRequest) -> UpstreamAnswer:
        """Sends and waits for the head. Cancelling it closes the connection. Raises UpstreamFailure.

        A request is sent anew on a fresh connection only where a pooled one
        turned out to be closed before any byte of the answer came.
        """

    async def aclose(self) -> None:
        """Closes every connection."""
