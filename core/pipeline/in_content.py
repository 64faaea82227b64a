"""thinking_to_content: a channel whose thoughts OpenAI's clients are told as text between <think> tags."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import chat_pb2, usage_pb2

from core.vendors.interface import Call

OPEN, CLOSE = "<think>\n", "\n</think>\n"


class InContent:
    """A wire form whose answers have thoughts put into the text; all else is the form's own."""

    def __init__(self, form: Any) -> None:
        self._form = form

    def __getattr__(self, name: str) -> Any:
        return getattr(self._form, name)

    def decode(self, body: bytes, call: Call) -> chat_pb2.ChatResponse:
        """A whole answer. Raises BadAnswer."""
        answer: chat_pb2.ChatResponse = self._form.decode(body, call)
        for choice in answer.choices:
            for part in choice.parts:
                if part.HasField("thinking"):
                    thoughts = part.thinking.text or "\n\n".join(part.thinking.summary)
                    part.text.text = f"{OPEN}{thoughts}{CLOSE}" if thoughts else ""
        return answer

    def decoder(self, call: Call) -> InContentDecoder:
        """For a stream."""
        return InContentDecoder(self._form.decoder(call))


class InContentDecoder:
    """Implements ChatDecoder over another: events of thoughts become events of text."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._thoughts: dict[tuple[int, int], bool] = {}
        """Parts that are thoughts -> whether anything of them was told."""

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
        return [made for event in self._decoder.feed(chunk) for made in self._told(event)]

    def end(self) -> list[chat_pb2.ChatEvent]:
        """What is left."""
        return [made for event in self._decoder.end() for made in self._told(event)]

    def _told(self, event: chat_pb2.ChatEvent) -> list[chat_pb2.ChatEvent]:
        kind = event.WhichOneof("event")
        if kind == "part_started" and event.part_started.part.HasField("thinking"):
            place = (event.part_started.choice, event.part_started.index)
            self._thoughts[place] = False
            begun = event.part_started.part.thinking.text
            event.part_started.part.text.text = ""
            return [event, *self._text(place, begun)]
        if kind == "delta":
            place = (event.delta.choice, event.delta.index)
            if place in self._thoughts:
                told = event.delta.WhichOneof("delta")
                return self._text(place, getattr(event.delta, told)) if told in ("thinking", "summary") else []
        if kind == "part_ended":
            place = (event.part_ended.choice, event.part_ended.index)
            if self._thoughts.pop(place, False):
                return [_delta(place, CLOSE), event]
        return [event]

    def _text(self, place: tuple[int, int], text: str) -> list[chat_pb2.ChatEvent]:
        """A piece of thoughts as text, the opening tag before the first."""
        if not text:
            return []
        first, self._thoughts[place] = not self._thoughts[place], True
        return [_delta(place, OPEN + text if first else text)]


def _delta(place: tuple[int, int], text: str) -> chat_pb2.ChatEvent:
    return chat_pb2.ChatEvent(delta=chat_pb2.PartDelta(choice=place[0], index=place[1], text=text))
