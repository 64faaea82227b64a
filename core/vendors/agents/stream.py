"""What streams of agents share: named events, and parts of one answer."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2, usage_pb2

from core.vendors.interface import BadAnswer, Call, ChatEvent
from core.vendors.shared import refusal
from core.vendors.shared.relay import BLANK, BlockRelay, last_end
from core.vendors.shared.sse import Lines

OPENAI = "openai.chat"


class AgentDecoder:
    """Implements ChatDecoder but for what events mean: _event() is given each, by the name of its event line."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._lines = Lines(call.house.event_limit)
        self._name = ""
        self._data: list[bytes] = []
        self._parts = 0
        self._open = ""
        self._started = False
        self._finish = chat_pb2.ChoiceFinished(finish=chat_pb2.FINISH_REASON_STOP)
        self.usage: usage_pb2.Usage | None = None
        self.finished = False

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events that became whole. Raises BadAnswer where the stream is not of this form."""
        return self._read(self._lines.feed(chunk))

    def end(self) -> list[ChatEvent]:
        """What is left. Raises BadAnswer where the stream was cut."""
        out = self._read([self._lines.rest(), b""])
        if not self.finished:
            raise BadAnswer("the stream was cut")
        return out

    def _read(self, lines: list[bytes]) -> list[ChatEvent]:
        out: list[ChatEvent] = []
        for line in lines:
            if line.startswith(b"event:"):
                self._name = line[6:].strip().decode("utf-8", "replace")
            elif line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line and not self.finished:
                told, name = b"\n".join(self._data), self._name
                self._name, self._data = "", []
                if told or name:
                    self._event(name, _object(told), out)
        return out

    def _event(self, name: str, found: dict[str, Any], out: list[ChatEvent]) -> None:
        raise NotImplementedError

    def _start(self, answer_id: str, conversation: str, created: int, out: list[ChatEvent]) -> None:
        """The answer begins, once; the conversation's id is told where OpenAI's clients see it."""
        if self._started:
            return
        self._started = True
        started = chat_pb2.StreamStarted(id=answer_id, model=self._call.asked, created=created or self._call.created)
        if conversation:
            started.extensions.by_dialect[OPENAI] = orjson.dumps({"conversation_id": conversation})
        out.append(ChatEvent(started=started))

    def _say(self, kind: str, said: str, out: list[ChatEvent]) -> None:
        if said:
            at = self._part(kind, out)
            out.append(ChatEvent(delta=chat_pb2.PartDelta(index=at, **{kind: said})))  # type: ignore[arg-type]

    def _part(self, kind: str, out: list[ChatEvent]) -> int:
        """The number of the open part of a kind."""
        if self._open != kind:
            part = parts_pb2.Part()
            getattr(part, kind).SetInParent()
            self._begin(part, out)
            self._open = kind
        return self._parts - 1

    def _begin(self, part: parts_pb2.Part, out: list[ChatEvent]) -> None:
        self._shut(out)
        self._parts += 1
        out.append(ChatEvent(part_started=chat_pb2.PartStarted(index=self._parts - 1, part=part)))

    def _whole(self, part: parts_pb2.Part, out: list[ChatEvent]) -> None:
        """A part that is told at once."""
        self._begin(part, out)
        out.append(ChatEvent(part_ended=chat_pb2.PartEnded(index=self._parts - 1)))

    def _shut(self, out: list[ChatEvent]) -> None:
        if self._open:
            self._open = ""
            out.append(ChatEvent(part_ended=chat_pb2.PartEnded(index=self._parts - 1)))

    def _end(self, out: list[ChatEvent]) -> None:
        self._shut(out)
        out.append(ChatEvent(finished=self._finish))
        if self.usage is not None:
            out.append(ChatEvent(usage=chat_pb2.UsageReport(usage=self.usage, final=True)))
        out.append(ChatEvent(ended=chat_pb2.StreamEnded()))
        self.finished = True

    def _fault(self, error: dict[str, Any], out: list[ChatEvent]) -> None:
        self.finished = True
        out.append(ChatEvent(fault=refusal.fault(error, self._call.secret)))


def _object(told: bytes) -> dict[str, Any]:
    """An event's data; marks such as [DONE] are nothing. Raises BadAnswer."""
    if not told or told.strip(b'"').startswith(b"[DONE]"):
        return {}
    try:
        found = orjson.loads(told)
    except orjson.JSONDecodeError:
        raise BadAnswer("an event of the stream is not JSON") from None
    return found if isinstance(found, dict) else {}


class AgentRelay(BlockRelay):
    """Implements NativeRelay: what the decoder reads of it, and the bytes as they came."""

    def __init__(self, call: Call, decoder: AgentDecoder) -> None:
        super().__init__(call)
        self._decoder = decoder

    def feed(self, chunk: bytes) -> bytes:
        """Whole events that may be passed on now; what is no JSON, the decoder refuses. Raises BadAnswer."""
        if self._over():
            return b""
        self._rest += chunk
        cut = last_end(self._rest, 0)
        if cut < 0:
            if len(self._rest) > self._call.house.event_limit:
                raise BadAnswer("an event of the stream is too long")
            return b""
        block = bytes(self._rest[:cut])
        del self._rest[:cut]
        return self._block(block)

    def _block(self, block: bytes) -> bytes:
        """One or more whole events."""
        out: list[bytes] = []
        at = 0
        for blank in BLANK.finditer(block):
            event, at = block[at : blank.end()], blank.end()
            for told in self._decoder.feed(event):
                if told.HasField("fault"):
                    self.fault = told.fault
                self.delivered.add(told.delta.text + told.delta.thinking)
            if self.fault is not None:
                return b"".join(out)
            out.append(event)
            self.usage = self._decoder.usage
            if self._decoder.finished:
                self.finished = True
                return b"".join(out)
        return b"".join(out) + block[at:]

    def _tail(self) -> bytes | None:
        return None
