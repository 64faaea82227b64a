"""One request on its way through the house: what is known of it so far."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from isthmus.v1 import billing_pb2, common_pb2, usage_pb2

from core.ledger.interface import Hold
from core.pacing.pacer import Pace
from core.pipeline.files import Files
from core.pricing.expression import Tariff
from core.pricing.prompt import prompt_tokens
from core.pricing.vocabulary import SCRIPT, is_loaded, load, vocabulary_of
from core.routing.affinity import Conversation
from core.routing.meters import Taken
from core.state.types import Principal, Snapshot
from core.vendors.interface import Vendor
from core.vendors.responses.compact import compacting

log = logging.getLogger("isthmus.count")


class Form(Protocol):
    """What the pipeline needs of a wire form, whatever the operation."""

    name: str
    encode: Any
    splice: Any
    decode: Any
    relay_whole: Any
    refusal: Any


LARGE = 256 << 10
"""Bytes of a request from which it is not kept for the length of its stream."""
SAMPLE = 1 << 16
"""Characters of such a request that are counted."""


@dataclass(slots=True)
class Task:
    """What is to be done, apart from who asks: the operation, the canonical request, the client's bytes."""

    operation: common_pb2.Operation.ValueType
    canonical: Any
    native: common_pb2.Native | None
    include_usage: bool = True
    speak: str = ""
    """The wire form to prefer where there is no native one: the test of a channel names it."""

    def forms(self, vendor: Vendor) -> tuple[Any, ...]:
        """The wire forms in which a vendor can do it; empty: it cannot. Raises UnsupportedFeature, which says why."""
        if self.operation == common_pb2.OPERATION_CHAT:
            return vendor.chat
        if self.operation == common_pb2.OPERATION_COMPACTION:
            return compacting(vendor.chat)
        if self.operation == common_pb2.OPERATION_EMBEDDING:
            return vendor.embedding
        if self.operation == common_pb2.OPERATION_MODERATION:
            return vendor.moderation
        return vendor.rerank


@dataclass(slots=True, eq=False)
class Exchange:
    """The state of one request. Times are milliseconds; started_ms is wall clock, the rest count from it."""

    request_id: str
    principal: Principal
    envelope: common_pb2.Envelope
    task: Task
    snapshot: Snapshot
    started_ms: int
    origin: float = field(default_factory=time.monotonic)
    prompt_tokens: int = 0
    """The estimate the reserve was made with."""
    hold: Hold | None = None
    reserved: int = 0
    group: str = ""
    """The group in use: that of the last candidate."""
    attempts: list[billing_pb2.Attempt] = field(default_factory=list)
    dropped: tuple[str, ...] = ()
    first_byte_ms: int = -1
    usage: usage_pb2.Usage | None = None
    tariff: Tariff | None = None
    """The model's price expression, frozen at the reserve; None where the price tables count."""
    tokens_of_files: int = 0
    """Of the estimate: those of texts fetched by address."""
    files: Files | None = None
    """What was fetched for it; None where nothing may be."""
    pace: Pace | None = None
    """What it was counted under; None where no limit counts."""
    budget: int = 0
    """The purse of its key's budget; 0: none."""
    conversation: Conversation | None = None
    """The conversation it belongs to, where that counts."""
    taken: Taken | None = None
    """Its place in a channel with limits."""
    free: bool = False
    """Billed to nobody: the test of a channel."""
    check_at: int = 0
    """Delivered tokens at which a stream's cost is compared with its hold again."""
    progressed: float = 0.0
    """When the journal last learnt what a stream has cost so far (monotonic seconds)."""
    counter: str = SCRIPT
    """What counts where the vendor tells nothing: SCRIPT, or a vocabulary (core/pricing/vocabulary.py)."""
    _counted: int = -1

    def billed_by(self) -> str:
        """The name that prices go by."""
        model = self.envelope.model
        compacts = self.task.operation == common_pb2.OPERATION_COMPACTION
        return self.snapshot.prices.compaction(model) if compacts else model

    def unpace(self, tokens: int | None = None) -> None:
        """Tells the limits that it has ended, and what it used (None: nothing was answered); the first time counts."""
        if self.pace is not None:
            self.pace.end(tokens)

    def counted_prompt(self) -> int:
        """Input tokens, counted: for answers whose vendor told none. Slow: as long as the prompt is."""
        if self._counted < 0:
            self._counted = prompt_tokens(self.task.canonical, self.envelope.model)
        return self._counted

    async def count_exactly(self, model: str) -> bool:
        """Lets the vocabulary of the model that answered count, loaded and used in a thread; whether it does."""
        name = vocabulary_of(model)
        if name == SCRIPT or self.counter == name:
            return self.counter == name != SCRIPT
        canonical = self.task.canonical
        if canonical is None:
            # A large prompt that was let go has been estimated already.
            return False
        try:
            if not is_loaded(name):
                await asyncio.to_thread(load, name)
        except (OSError, ImportError, ValueError):
            log.exception("a vocabulary does not load", extra={"vocabulary": name})
            return False
        self._counted = await asyncio.to_thread(prompt_tokens, canonical, model, vocabulary=name)
        self.counter = name
        return True

    def let_go(self) -> None:
        """Forgets a large request: the vendor has it, and no other will be asked.

        What is small stays, because it costs less than forgetting it. A prompt whose
        vendor may tell no usage is counted by a sample before.
        """
        self.close_files()
        native = self.task.native
        if (len(native.body) if native is not None else 0) < LARGE and self.task.canonical.ByteSize() < LARGE:
            return
        if self._counted < 0:
            self._counted = prompt_tokens(self.task.canonical, self.envelope.model, SAMPLE)
        # Parts of a message keep the whole of it alive: the envelope is copied out.
        envelope = common_pb2.Envelope()
        envelope.CopyFrom(self.envelope)
        self.envelope = envelope
        self.task = Task(self.task.operation, None, None, self.task.include_usage)

    def close_files(self) -> None:
        """Forgets what was fetched; may be called twice."""
        files, self.files = self.files, None
        if files is not None:
            files.close()

    def elapsed_ms(self) -> int:
        """Milliseconds since the request came."""
        return int((time.monotonic() - self.origin) * 1000)

    def first_byte(self) -> None:
        """Notes that the first byte leaves for the client now."""
        if self.first_byte_ms < 0:
            self.first_byte_ms = self.elapsed_ms()
