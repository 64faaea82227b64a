"""The one place that decides which HTTP client carries a request."""

from __future__ import annotations

from core.settings import CoreSettings
from core.upstream.interface import Upstream, UpstreamAnswer, UpstreamRequest
from core.upstream.library import LibraryUpstream
from core.upstream.websocket import WebsocketUpstream
from core.upstream.wire import WireUpstream, trusting


class PooledUpstream:
    """Direct requests go by our own client, those with a proxy by the library's, websockets by theirs."""

    def __init__(self, wire: Upstream, library: Upstream, sockets: Upstream) -> None:
        self._wire = wire
        self._library = library
        self._sockets = sockets

    async def send(self, request: UpstreamRequest) -> UpstreamAnswer:
        """See Upstream.send."""
        if request.url.startswith(("ws://", "wss://")):
            return await self._sockets.send(request)
        return await (self._library if request.proxy else self._wire).send(request)

    async def aclose(self) -> None:
        """Closes all."""
        await self._sockets.aclose()
        await self._wire.aclose()
        await self._library.aclose()


def open_upstream(settings: CoreSettings) -> Upstream:
    """Clients as the settings say; nothing is connected yet, and the library is not imported."""
    return PooledUpstream(
        WireUpstream(
            idle_seconds=settings.idle_connection_seconds,
            max_per_host=settings.max_connections_per_host,
            max_idle=settings.max_idle_connections,
            max_idle_per_host=settings.max_idle_per_host,
            tls=trusting() if settings.tls_insecure else None,
        ),
        LibraryUpstream(
            idle_seconds=settings.idle_connection_seconds,
            max_idle_per_host=settings.max_idle_per_host,
            tls_insecure=settings.tls_insecure,
        ),
        WebsocketUpstream(tls_insecure=settings.tls_insecure),
    )
