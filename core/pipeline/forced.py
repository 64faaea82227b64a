"""force_format: a channel whose answers hold nothing that the client's form does not name."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import chat_pb2, usage_pb2

from core.vendors.interface import Call


class Forced:
    """A wire form whose answers lose members without a field; all else is the form's own."""

    def __init__(self, form: Any) -> None:
        self._form = form

    def __getattr__(self, name: str) -> Any:
        return getattr(self._form, name)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises BadAnswer."""
        answer: chat_pb2.ChatResponse = self._form.decode(body, call)
        _clear(answer)
        for choice in answer.choices:
            _clear(choice)
            for part in choice.parts:
                _clear(part)
        return answer

    def decoder(self, call: Call) -> ForcedDecoder:
        """For a stream."""
        return ForcedDecoder(self._form.decoder(call))


class ForcedDecoder:
    """Implements ChatDecoder over another."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's, so far."""
        usage: usage_pb2.Usage | None = self._decoder.usage
        return usage

    @property
    def finished(self) -> bool:
        """Whether the form's own end was seen."""
        return bool(self._decoder.finished)

    def feed(self, chunk: bytes) -> list[chat_pb2.ChatEvent]:
        """Events that became whole."""
        return self._cleared(self._decoder.feed(chunk))

    def end(self) -> list[chat_pb2.ChatEvent]:
        """What is left."""
        return self._cleared(self._decoder.end())

    @staticmethod
    def _cleared(events: list[chat_pb2.ChatEvent]) -> list[chat_pb2.ChatEvent]:
        for event in events:
            kind = event.WhichOneof("event")
            if kind:
                inner = getattr(event, kind)
                _clear(inner)
                if kind == "part_started":
                    _clear(inner.part)
        return events


def _clear(message: Any) -> None:
    """Takes out what has no field of its own."""
    if "extensions" in message.DESCRIPTOR.fields_by_name:
        message.ClearField("extensions")
