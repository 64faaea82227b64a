"""A client's connection: Sanic's protocol, with limits that a slow client cannot stretch."""

from __future__ import annotations

import asyncio
from typing import Any

from sanic.http import Stage
from sanic.server.protocols.http_protocol import HttpProtocol


class Connection(HttpProtocol):
    """Sanic counts time from the last byte that came, and waits for a reader for ever.

    Here the time of a head counts from its first byte, that of a body nobody reads (after a
    refusal) from the answer, and a client that takes nothing for app.ctx.stall_seconds is cut.
    """

    __slots__ = ("_stall",)

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._stall: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Takes bytes; those of a head, or of a refused body, do not renew its time."""
        since, http = self._time, self.http
        super().data_received(data)
        if http is not None and (
            http.stage is Stage.REQUEST or (http.stage is Stage.IDLE and http.request_body is not None)
        ):
            self._time = since

    def pause_writing(self) -> None:
        """The client reads slower than the vendor tells: who answers waits, for some time."""
        super().pause_writing()  # type: ignore[no-untyped-call]
        if self._stall is None:
            self._stall = self.loop.call_later(self.app.ctx.stall_seconds, self.abort)

    def resume_writing(self) -> None:
        """The client has caught up, or is gone."""
        super().resume_writing()  # type: ignore[no-untyped-call]
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


def end_after(request: Any) -> None:
    """Closes the connection after the answer. Sanic writes the Connection header from this alone."""
    if request.stream is not None:
        request.stream.keep_alive = False
