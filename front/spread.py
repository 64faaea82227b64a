"""Several gRPC connections to a core, as one channel to generated stubs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import grpc


class SpreadChannel:
    """Calls go over its channels in turn, past those that cannot connect just now.

    One connection stays with one of the core's workers, which share a port: only
    several connections reach several workers.
    """

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        self._channels = tuple(channels)
        self._turn = itertools.cycle(range(len(self._channels)))

    def _next(self) -> int:
        """The number of the channel whose turn it is."""
        count = len(self._channels)
        first = next(self._turn)
        for number in range(first, first + count):
            if self._channels[number % count].get_state() is not grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                return number % count
        return first

    def _spread(self, made: Sequence[Any]) -> Callable[..., Any]:
        """A stub's method that is called on the channel whose turn it is."""

        def call(*given: Any, **named: Any) -> Any:
            return made[self._next()](*given, **named)

        return call

    def unary_unary(self, *given: Any, **named: Any) -> Callable[..., Any]:
        """One request, one answer."""
        return self._spread([channel.unary_unary(*given, **named) for channel in self._channels])

    def unary_stream(self, *given: Any, **named: Any) -> Callable[..., Any]:
        """One request, many answers."""
        return self._spread([channel.unary_stream(*given, **named) for channel in self._channels])

    def stream_unary(self, *given: Any, **named: Any) -> Callable[..., Any]:
        """Many requests, one answer."""
        return self._spread([channel.stream_unary(*given, **named) for channel in self._channels])

    def stream_stream(self, *given: Any, **named: Any) -> Callable[..., Any]:
        """Many requests, many answers."""
        return self._spread([channel.stream_stream(*given, **named) for channel in self._channels])

    async def close(self, grace: float | None = None) -> None:
        """Closes all."""
        for channel in self._channels:
            await channel.close(grace)
