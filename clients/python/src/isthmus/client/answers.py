"""What the calls give back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from isthmus.client.errors import ApiError
from isthmus.v1 import billing_pb2, chat_pb2, parts_pb2, usage_pb2


class ChatAnswer:
    """A whole answer; raw is the message as it came."""

    __slots__ = ("raw",)

    def __init__(self, raw: chat_pb2.GenerateResponse) -> None:
        self.raw = raw

    def _parts(self) -> list[parts_pb2.Part]:
        """The first choice's parts."""
        return list(self.raw.chat.choices[0].parts) if self.raw.chat.choices else []

    @property
    def text(self) -> str:
        """The first choice's text."""
        return "".join(part.text.text for part in self._parts() if part.HasField("text"))

    @property
    def thinking(self) -> str:
        """The first choice's thoughts, as far as they are told."""
        return "".join(part.thinking.text for part in self._parts() if part.HasField("thinking"))

    @property
    def tool_calls(self) -> list[parts_pb2.ToolCall]:
        """The first choice's tool calls; arguments are JSON text."""
        return [part.tool_call for part in self._parts() if part.HasField("tool_call")]

    @property
    def message(self) -> chat_pb2.Message:
        """The first choice as a message for the next turn, signatures included."""
        return chat_pb2.Message(role=chat_pb2.ROLE_ASSISTANT, parts=self._parts())

    @property
    def usage(self) -> usage_pb2.Usage:
        """What was used."""
        return self.raw.chat.usage

    @property
    def receipt(self) -> billing_pb2.Receipt:
        """What it cost, and why."""
        return self.raw.receipt


class ChatStream:
    """An answer as it comes: iterate over it for events.

        stream = client.stream("gpt-4o", "Hello")
        async for event in stream:
            print(event.delta.text, end="")
        print(stream.receipt.quota)

    text, usage and receipt grow while it is read. The call begins with the first event
    asked for; leaving the loop early, aclose() or cancelling the task cancels the call.
    """

    def __init__(self, events: Callable[[ChatStream], AsyncIterator[chat_pb2.ChatEvent]]) -> None:
        self._events = events(self)
        self._pieces: list[str] = []
        self.usage = usage_pb2.Usage()
        self.receipt = billing_pb2.Receipt()

    @property
    def text(self) -> str:
        """The first choice's text so far."""
        return "".join(self._pieces)

    def __aiter__(self) -> AsyncIterator[chat_pb2.ChatEvent]:
        return self

    async def __anext__(self) -> chat_pb2.ChatEvent:
        event = await self._events.__anext__()
        kind = event.WhichOneof("event")
        if kind == "delta" and event.delta.choice == 0:
            self._pieces.append(event.delta.text)
        elif kind == "part_started" and event.part_started.choice == 0:
            self._pieces.append(event.part_started.part.text.text)
        elif kind == "usage":
            self.usage.CopyFrom(event.usage.usage)
        elif kind == "fault":
            fault = event.fault
            raise ApiError(
                fault.message,
                code=_CODES.get(fault.grpc_code, grpc.StatusCode.UNKNOWN),
                reason=fault.reason,
                http_status=fault.http_status,
                retry_after=fault.retry_after_ms / 1000 if fault.retry_after_ms else None,
                request_id=self.receipt.request_id,
                param=fault.param,
                vendor_code=fault.vendor_code,
                from_server=True,
            )
        return event

    async def texts(self) -> AsyncIterator[str]:
        """Only the first choice's text, piece by piece."""
        seen = 0
        async for _ in self:
            for piece in self._pieces[seen:]:
                if piece:
                    yield piece
            seen = len(self._pieces)

    async def aclose(self) -> None:
        """Ends the call."""
        close: Any = getattr(self._events, "aclose", None)
        if close is not None:
            await close()

    async def __aenter__(self) -> ChatStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
