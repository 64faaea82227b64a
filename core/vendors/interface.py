"""What a wire form must be able to do. Everything here is pure: no I/O, no clock, no globals.

A vendor is a table row (core/vendors/table.py): addresses, authentication,
quirks, and for each operation the wire form it speaks. A wire form is code
(core/vendors/openai/, anthropic/, ...), shared by all vendors
that speak it. The pipeline compares names only: where the request's native form
is the wire form's name, splice() is used, else encode().
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from isthmus.v1 import chat_pb2, common_pb2, embedding_pb2, moderation_pb2, rerank_pb2, usage_pb2

from core.state.types import Channel

ChatRequest = chat_pb2.ChatRequest
ChatResponse = chat_pb2.ChatResponse
ChatEvent = chat_pb2.ChatEvent


@dataclass(frozen=True, slots=True)
class House:
    """What the operator set at start for all vendors (core/settings.py says what each is)."""

    azure_api_version: str = "2025-04-01-preview"
    gemini_images_most: int = 0
    event_limit: int = 32 << 20
    """Bytes an unfinished line or event of a stream may hold."""


@dataclass(slots=True)
class Call:
    """One attempt, as encoders and decoders see it; not to be changed.

    asked is the model's name the client used (it comes back in answers), sent the
    name after the channel's mapping. include_usage says whether the client asked for
    a usage chunk in an OpenAI stream; where it did not, ours is taken out again.
    """

    channel: Channel
    secret: str = field(repr=False)
    asked: str
    sent: str
    stream: bool
    include_usage: bool = True
    created: int = 0
    """Unix seconds, for answers whose form needs a time the vendor did not tell."""
    native: common_pb2.Native | None = None
    """The client's own bytes; media spans of the canonical message point into its body."""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Every option as text, defaults filled in; forms read their vendor's (gemini.*, claude.*)."""
    house: House = House()


@dataclass(slots=True)
class VendorRequest:
    """What goes out, not to be changed: made into an UpstreamRequest by the pipeline."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    dropped: tuple[str, ...] = ()
    """What the wire form could not hold, by canonical field name."""
    last: Callable[[bytes], bool] | None = None
    """By websocket (the body is the first message): whether a message is the answer's last."""


@dataclass(frozen=True, slots=True)
class VendorRefusal:
    """A vendor's error answer, read. message has secrets and addresses masked already."""

    status: int
    message: str
    kind: str = ""
    code: str = ""
    param: str = ""
    retry_after_ms: int = 0


class BadAnswer(Exception):
    """The vendor's answer is not what its wire form allows; the text says what, without content."""


class ToldRefusal(BadAnswer):
    """An error that the vendor told under a status of success."""

    def __init__(self, refusal: VendorRefusal) -> None:
        super().__init__("it tells an error")
        self.refusal = refusal


class ChatDecoder(Protocol):
    """A stream of one answer, fed bytes in any split; gives canonical events.

    feed() returns the events that became whole. end() is called when the body
    ended and returns what is left; it raises BadAnswer where the stream was cut
    (usage and delivered stay readable). A vendor's error inside the stream is a
    fault event.
    """

    @property
    def usage(self) -> usage_pb2.Usage | None:
        """The vendor's, so far; None while it told none."""

    @property
    def finished(self) -> bool:
        """Whether the wire form's own end was seen."""

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """Events that became whole."""

    def end(self) -> list[ChatEvent]:
        """What is left; raises BadAnswer where the stream was cut."""


class NativeRelay(Protocol):
    """A stream relayed in its own form: bytes in, bytes out, usage read on the way.

    Keeps at most one unfinished event in memory. out bytes are whole
    server-sent events. fault is set where the vendor told an error in the stream;
    the error itself is not passed on: the front tells it in the client's dialect.
    """

    usage: usage_pb2.Usage | None
    finished: bool
    fault: common_pb2.Fault | None
    delivered: DeliveredText

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on now; may be empty."""

    def end(self) -> bytes:
        """What is left; raises BadAnswer where the stream was cut."""


class DeliveredText(Protocol):
    """Counts what was delivered, for answers whose usage never comes: a running count, never the text."""

    def add(self, text: str) -> None:
        """Adds a piece of text, thinking or arguments."""

    def tokens(self) -> int:
        """Output tokens so far, estimated."""

    def exact(self) -> int:
        """The same by the model's vocabulary, where that is loaded. Slow: as long as the beginning that it keeps."""


class ChatForm(Protocol):
    """A wire form that chats."""

    name: str
    """As in Native.form, such as "openai.chat"."""

    def encode(self, request: ChatRequest, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises UnsupportedFeature, ChannelError."""

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes with only what the channel says changed: order of keys is kept."""

    def decode(self, body: bytes, call: Call) -> ChatResponse:
        """A whole answer. Raises BadAnswer."""

    def decoder(self, call: Call) -> ChatDecoder:
        """For a stream."""

    def relay(self, call: Call) -> NativeRelay:
        """For a stream whose client speaks this form."""

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """A whole answer for a client that speaks this form: bytes to pass on, and usage. Raises BadAnswer."""

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape: JSON of this form, other JSON, HTML, nothing."""


@runtime_checkable
class AsksAgain(Protocol):
    """What a form may do besides: ask the same vendor once more, without what it refused."""

    def again(self, refusal: VendorRefusal, wire: VendorRequest, call: Call) -> VendorRequest | None:
        """Another request instead of the one that was refused (before credentials are put on it), or None."""


@runtime_checkable
class WantsBytes(Protocol):
    """What a form may say besides: which files it takes by no address.

    The pipeline fetches those before it encodes. wants_of_its_own: also where the client speaks the form itself.
    """

    wants_of_its_own: bool

    def wants_bytes(self, kind: str, url: str) -> bool:
        """Whether a part (image, audio, video, file) with an http or https address must have its bytes instead."""


@runtime_checkable
class TokenCounter(Protocol):
    """What a chat form may do besides: have the vendor count a turn's input."""

    name: str

    def count_request(self, request: ChatRequest, call: Call) -> VendorRequest:
        """The canonical turn as a request to count it."""

    def splice_count(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes as a request to count them."""

    def counted(self, body: bytes, call: Call) -> int:
        """The tokens an answer tells. Raises BadAnswer."""

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""


class EmbeddingForm(Protocol):
    """A wire form that embeds."""

    name: str

    def encode(self, request: embedding_pb2.Embedding, call: Call) -> VendorRequest:
        """The canonical request in this form."""

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes with only what the channel says changed."""

    def decode(self, body: bytes, call: Call) -> embedding_pb2.EmbedResponse:
        """Vectors and usage. Raises BadAnswer."""

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes to pass on, and usage; the vectors are not parsed. Raises BadAnswer."""

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""


class RerankForm(Protocol):
    """A wire form that reranks."""

    name: str

    def encode(self, request: rerank_pb2.RerankRequest, call: Call) -> VendorRequest:
        """The canonical request in this form."""

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes with only what the channel says changed."""

    def decode(self, body: bytes, call: Call) -> rerank_pb2.RerankResponse:
        """Results and usage. Raises BadAnswer."""

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes to pass on, and usage. Raises BadAnswer."""

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""


class ModerationForm(Protocol):
    """A wire form that judges inputs."""

    name: str

    def encode(self, request: moderation_pb2.Moderation, call: Call) -> VendorRequest:
        """The canonical request in this form."""

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes with only what the channel says changed."""

    def decode(self, body: bytes, call: Call) -> moderation_pb2.ModerateResponse:
        """Results and usage. Raises BadAnswer."""

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes to pass on, and usage. Raises BadAnswer."""

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""


class Named(Protocol):
    """What all wire forms have."""

    name: str


@dataclass(frozen=True, slots=True)
class Vendor:
    """A kind of channel. number is New API's channel type (or ours, from 1000 on).

    chat lists wire forms by preference: the first is used where the client's own
    form is not among them.
    """

    number: int
    name: str
    owner: str
    """For /v1/models' owned_by."""
    base_url: str
    chat: tuple[ChatForm, ...] = ()
    embedding: tuple[EmbeddingForm, ...] = ()
    rerank: tuple[RerankForm, ...] = ()
    moderation: tuple[ModerationForm, ...] = ()
    limited: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Forms (by name) that serve only models whose names hold one of the pieces."""
    placed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Forms (by name) that are spoken at these addresses only."""
    split: tuple[tuple[str, str], ...] = ()
    """Where each model is served in one form: pieces of names (patterns) and the form; the first that is found."""
    authorise: str = ""
    """Which authoriser (core/authorise) puts credentials on requests that are ready; empty: the forms do it all."""
    unavailable: str = ""
    """For types without an adaptor: why, as an error message."""

    def forms(self) -> tuple[tuple[Named, ...], ...]:
        """Every form the vendor speaks, by operation."""
        return self.chat, self.embedding, self.rerank, self.moderation

    def serves(self, form: str, model: str, address: str) -> bool:
        """Whether a form the vendor speaks is spoken for a model, at a channel's address."""
        if self.split:
            return form == next((name for piece, name in self.split if re.search(piece, model)), "")
        pieces, places = self.limited.get(form), self.placed.get(form)
        if places is not None and address.rstrip("/") not in places:
            return False
        return pieces is None or any(piece in model for piece in pieces)
