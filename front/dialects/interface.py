"""What a dialect must be able to do. Everything here is pure: no I/O, no clock, no globals.

A dialect reads a client's HTTP body into the envelope and the canonical message, and
writes canonical answers back in its own form. front/relay.py does the rest: keys,
limits, calls, sending. Where the vendor spoke the client's own form, answers come as
native bytes and only pass through the stream renderer's native().
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from isthmus.v1 import catalog_pb2, chat_pb2, common_pb2, embedding_pb2, moderation_pb2, rerank_pb2

from front.errors import FrontError


@dataclass(slots=True)
class Ask:
    """A client's request whose body is here.

    raw is the body, source the same as a parsed object, which parse() may consume. names
    are the parameters of the path (all as text), query the query string's last values,
    headers the ones the dialect asked for in its `headers`, by lower-case name.
    """

    raw: bytes
    source: dict[str, Any]
    path: str
    max_messages: int
    names: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class ErrorForm(Protocol):
    """A dialect's error envelope."""

    def error(self, error: FrontError, request_id: str) -> bytes:
        """The JSON body of an error; its message names the request."""


class StreamRenderer(Protocol):
    """The bytes of one streamed answer. Made per request; a small state machine."""

    content_type: str

    def native(self, data: bytes) -> bytes:
        """Bytes of the client's own form, as they came from the vendor: mostly passed on untouched."""

    def render(self, event: chat_pb2.ChatEvent) -> bytes:
        """The bytes of one canonical event but faults; may be none. `ended` is the last."""

    def fault(self, error: FrontError) -> bytes:
        """An error inside the stream; nothing but close() follows."""

    def close(self) -> bytes:
        """Called once, after all else: what closes the framing; mostly nothing."""

    def ping(self) -> bytes:
        """A sign of life for a silent stretch; may be none."""


class ChatDialect(ErrorForm, Protocol):
    """A dialect that chats."""

    form: str
    """The wire form's name in Native.form: "openai.chat", "anthropic.messages", ..."""
    headers: tuple[str, ...]
    """Lower-case names of client headers that belong to the form: kept in Native.headers and Ask.headers."""

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """The envelope and the canonical request. Raises FrontError 400 naming the field."""

    def render(self, answer: chat_pb2.ChatResponse, chat: chat_pb2.ChatRequest, now: int) -> bytes:
        """A whole answer as the body of the client's form. now: Unix seconds, where the vendor told none."""

    def stream(
        self, envelope: common_pb2.Envelope, chat: chat_pb2.ChatRequest, request_id: str, now: int
    ) -> StreamRenderer:
        """The renderer of a streamed answer."""


class CountDialect(ErrorForm, Protocol):
    """A dialect that counts the tokens of a turn's input."""

    form: str
    headers: tuple[str, ...]

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """The envelope and the canonical request. Raises FrontError 400 naming the field."""

    def counted(self, answer: chat_pb2.CountTokensResponse) -> bytes:
        """The count as the body of the client's form."""


class EmbeddingDialect(ErrorForm, Protocol):
    """A dialect that embeds."""

    form: str
    headers: tuple[str, ...]

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, embedding_pb2.Embedding]:
        """The envelope and the canonical request. Raises FrontError 400 naming the field."""

    def render(self, answer: embedding_pb2.EmbedResponse, asked: embedding_pb2.Embedding) -> bytes:
        """The answer as the body of the client's form."""


class RerankDialect(ErrorForm, Protocol):
    """A dialect that reranks."""

    form: str
    headers: tuple[str, ...]

    def parse(self, ask: Ask) -> rerank_pb2.RerankRequest:
        """The canonical request with its envelope, without native. Raises FrontError 400 naming the field."""

    def render(self, answer: rerank_pb2.RerankResponse, asked: rerank_pb2.RerankRequest) -> bytes:
        """The answer as the body of the client's form."""


class ModerationDialect(ErrorForm, Protocol):
    """A dialect that has inputs judged."""

    form: str
    headers: tuple[str, ...]

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, moderation_pb2.Moderation]:
        """The envelope and the canonical request. Raises FrontError 400 naming the field."""

    def render(self, answer: moderation_pb2.ModerateResponse, asked: moderation_pb2.Moderation) -> bytes:
        """The answer as the body of the client's form."""


class ModelsDialect(ErrorForm, Protocol):
    """How a dialect lists models."""

    def models(self, found: list[catalog_pb2.Model], query: Mapping[str, str]) -> bytes:
        """The list, or the page of it that the query asks for."""

    def model(self, found: catalog_pb2.Model) -> bytes:
        """One model."""


class ShowDialect(ModelsDialect, Protocol):
    """A dialect whose clients name a model in a body."""

    form: str
    headers: tuple[str, ...]
