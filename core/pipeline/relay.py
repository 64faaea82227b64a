"""Leads a request through the house: begin, try channels, answer whole, settle. Streams: stream.py."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from isthmus.v1 import billing_pb2, chat_pb2, common_pb2, usage_pb2

from core.authorise.tokens import Tokens
from core.errors import (
    AccountDisabled,
    ChannelError,
    InvalidRequest,
    IsthmusError,
    KeyExhausted,
    NoChannel,
    Overloaded,
    RateLimited,
    ShuttingDown,
    UnsupportedFeature,
    VendorError,
)
from core.fetch.fetcher import Fetcher
from core.ledger.interface import Ledger
from core.link.call import CallInfo
from core.pacing.budgets import Budgets, BudgetUsedUp
from core.pacing.pacer import Backend
from core.pipeline.admit import admit, check_words
from core.pipeline.attempt import Opened, broken, note, open_attempt, read_whole, retry_status
from core.pipeline.authenticate import authenticate_account, authenticate_key, try_authenticate_key
from core.pipeline.exchange import Exchange, Task
from core.pipeline.guide import Guide
from core.pipeline.held import STATEFUL, is_held, keeps
from core.pipeline.kept import Kept
from core.pipeline.overload import Machine
from core.pipeline.reserve import reserve
from core.pipeline.settle import counted, fail, settle, tokens_of
from core.pricing.count import Delivered
from core.pricing.estimate import estimate_prompt
from core.pricing.vocabulary import SCRIPT
from core.routing.choose import Candidate, Plan, groups_of, make_plan
from core.routing.guides import Guides
from core.routing.health import Health
from core.routing.retry import is_final, should_disable, should_retry
from core.settings import CoreSettings
from core.state.state import State
from core.state.types import Principal
from core.store.responses import Turn
from core.store.store import Store
from core.subscriptions.preference import is_stale
from core.upstream.interface import Upstream
from core.vendors.interface import BadAnswer

logger = logging.getLogger("isthmus.relay")

T = TypeVar("T")

MODEL_NAME_LIMIT = 255
"""Characters of a model's name, as in the abilities table."""

FULL_RETRY_MS = 5_000
"""When to come back to a model whose channels are all at their limits."""
RESPONSE_ID = re.compile(rb'"id"[ ]?:[ ]?"(resp_[A-Za-z0-9_-]{1,120})"')
HEAD_MOST = 8192
"""Bytes of an answer in which its id must stand to be remembered."""

Disable = Callable[[int, int, str], Awaitable[None]]
"""Disables a channel's key: channel id, key index, reason."""


@dataclass(slots=True)
class Answer:
    """A whole answer that is settled: the vendor's bytes, or the canonical message."""

    native: bytes | None
    canonical: Any
    receipt: billing_pb2.Receipt


@dataclass(slots=True)
class Relay:
    """What every request needs; one a worker."""

    settings: CoreSettings
    store: Store
    state: State
    ledger: Ledger
    upstream: Upstream
    disable: Disable
    tokens: Tokens = field(default_factory=Tokens)
    health: Health = field(default_factory=Health)
    pacing: Backend | None = None
    """Where limits in a minute and at once are counted; None: nowhere, in tests."""
    budgets: Budgets = field(init=False)
    machine: Machine = field(init=False)
    guide: Guide = field(init=False)
    fetcher: Fetcher = field(init=False)
    kept: Kept = field(init=False)
    rng: random.Random = field(default_factory=random.Random)
    stopping: bool = False
    """New requests are turned away."""
    cutting: bool = False
    """Requests that still run are being ended."""
    running: int = 0
    _chores: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.budgets = Budgets(self.store, self.settings.time_zone)
        self.machine = Machine(self.settings.data)
        self.kept = Kept(self.store, lambda: self.state.snapshot.options)
        self.guide = Guide(self.settings)
        self.fetcher = Fetcher(
            self.settings.max_file_mb << 20, self.settings.fetch_seconds, self.settings.fetched_in_flight_mb << 20
        )

    # -- begin --------------------------------------------------------------------------------

    async def principal(self, info: CallInfo) -> Principal:
        """Who calls: by key, or by a session or access token (the playground)."""
        if info.metadata.get("isthmus-session") or info.metadata.get("isthmus-user"):
            return await authenticate_account(info, self.state, self.store, time.time())
        now = time.time()
        known = try_authenticate_key(info, self.state, now)
        return known if known is not None else await authenticate_key(info, self.state, now)

    async def _in_period(self, principal: Principal) -> Principal:
        """The caller with the purses of the periods that run now: the first request after a period begins the next."""
        account = principal.account
        if not account.allowances or not is_stale(account, time.time()):
            return principal
        await self.store.subscriptions.round(int(time.time()), account.id)
        await self.state.refresh()
        fresh = await self.state.account(account.id)
        if fresh is None:
            raise AccountDisabled()
        return replace(principal, account=fresh)

    async def begin(self, info: CallInfo, envelope: common_pb2.Envelope, task: Task) -> tuple[Exchange, Plan]:
        """Authenticates, admits, plans, reserves. What it raises costs nothing."""
        if self.stopping:
            raise ShuttingDown()
        principal = await self._in_period(await self.principal(info))
        if envelope.operation != task.operation:
            raise InvalidRequest("The envelope names another operation than the service.", param="operation")
        if not envelope.model:
            raise InvalidRequest("A model must be named.", param="model")
        if len(envelope.model) > MODEL_NAME_LIMIT:
            raise InvalidRequest("The model's name is too long.", param="model")
        exchange = Exchange(
            request_id=info.request_id,
            principal=principal,
            envelope=envelope,
            task=task,
            snapshot=self.state.snapshot,
            started_ms=time.time_ns() // 1_000_000,
        )
        now = time.monotonic()
        if self.machine.above(exchange.snapshot.options, now):
            raise Overloaded(retry_after_ms=2000)
        group = principal.key.group if principal.key and principal.key.group else principal.account.group
        chosen = envelope.group if principal.key is None else ""
        groups_of(exchange.snapshot.options, principal, chosen)
        key, options = principal.key, exchange.snapshot.options
        if options.rate_limits or options.rate_limit_enabled or (key is not None and key.limits is not None):
            await admit(exchange, group, self._estimate(task), self.pacing, self.budgets)
        try:
            return exchange, await self._plan(
                exchange, chosen, now, self.guide.of(exchange, info, chosen or group, now)
            )
        except BaseException:
            exchange.unpace()
            raise

    async def _plan(self, exchange: Exchange, chosen: str, now: float, guides: Guides) -> Plan:
        """The channels in their order, and money for what it may cost."""
        principal, envelope, task = exchange.principal, exchange.envelope, exchange.task
        held = isinstance(task.canonical, chat_pb2.ChatRequest) and is_held(task.canonical)
        plan = make_plan(
            exchange.snapshot,
            principal,
            envelope.model,
            task.native.form if task.native is not None else "",
            self.health,
            self.rng,
            now,
            chosen,
            held,
            await self._holder(principal, task.canonical) if held else None,
            guides,
        )
        check_words(task.canonical, exchange.snapshot.options)
        plan.tokens = exchange.prompt_tokens = self._estimate(task)
        exchange.group = plan.group
        try:
            await reserve(exchange, self.ledger, exchange.group, self.settings.time_zone)
        except KeyExhausted:
            assert principal.key is not None
            # Told to management, and to whoever asks next without asking the ledger.
            await self.store.keys.exhaust(principal.key.id)
            raise
        except BudgetUsedUp as error:
            assert principal.key is not None
            error.retry_after_ms = self.budgets.left_ms(principal.key, time.time())
            raise
        return plan

    async def _holder(self, principal: Principal, chat: chat_pb2.ChatRequest) -> tuple[int, int] | None:
        """The channel and key whose vendor keeps the answer that a turn follows; None where nobody is known."""
        if not chat.state.previous_response_id:
            return None
        found = await self.kept.find(principal.account.id, chat.state.previous_response_id)
        return (found[0].channel_id, found[0].key_index) if found and found[0].channel_id else None

    def note_kept(self, exchange: Exchange, head: bytes) -> None:
        """Remembers who keeps an answer: head holds the beginning of one in the Responses form."""
        task, attempt = exchange.task, exchange.attempts[-1]
        if task.native is None or task.native.form != STATEFUL or not keeps(task.canonical):
            return
        if found := RESPONSE_ID.search(head, 0, HEAD_MOST):
            turn = Turn(
                exchange.principal.account.id, found[1].decode(), channel_id=attempt.channel_id,
                key_index=attempt.key_index,
            )  # fmt: skip
            self.kept.keep(turn)

    @staticmethod
    def _estimate(task: Task) -> int:
        """Input tokens, from above."""
        size = len(task.native.body) if task.native is not None else 0
        return estimate_prompt(task.canonical, size)

    # -- try ----------------------------------------------------------------------------------

    async def try_channels(
        self, exchange: Exchange, plan: Plan, run: Callable[[Candidate, billing_pb2.Attempt], Awaitable[T]]
    ) -> T:
        """Runs one attempt after the other until one answers. Raises the last error."""
        last: IsthmusError | None = None
        while (candidate := plan.next(time.monotonic())) is not None:
            attempt = note(exchange, candidate)
            started = time.monotonic()
            self.guide.begins(exchange, plan, candidate, started)
            try:
                outcome = await run(candidate, attempt)
            except (VendorError, ChannelError) as error:
                last = error
                self._failed(exchange, plan, candidate, error)
                attempt.http_status = error.http_status
                attempt.reason = error.reason
                if self.guide.failed(exchange, candidate, error) or is_final(error, candidate.channel):
                    raise
                # What is wrong with a channel itself says nothing about the others.
                wrong = isinstance(error, ChannelError)
                if not wrong and not should_retry(retry_status(error), exchange.snapshot.options):
                    raise
                continue
            except UnsupportedFeature as error:
                # Its vendor was not asked; another's form may hold what this one's cannot.
                last = last or error
                attempt.reason = error.reason
                self.health.released(candidate.channel.id, candidate.key.index)
                plan.unfit(candidate)
                continue
            except asyncio.CancelledError:
                attempt.reason = "CANCELLED"
                self.health.released(candidate.channel.id, candidate.key.index)
                raise
            except IsthmusError:
                self.health.released(candidate.channel.id, candidate.key.index)
                raise
            finally:
                attempt.duration_ms = int((time.monotonic() - started) * 1000)
            now = time.monotonic()
            self.health.success(candidate.channel.id, candidate.key.index, now)
            self.guide.answered(exchange, plan, candidate, now - started, now)
            return outcome
        if last is None and plan.full:
            raise RateLimited("Every channel of this model is at its limit.", retry_after_ms=FULL_RETRY_MS)
        raise last if last is not None else NoChannel()

    def _failed(self, exchange: Exchange, plan: Plan, candidate: Candidate, error: IsthmusError) -> None:
        """Tells routing of a failure; disables the channel's key where the options say so."""
        status = retry_status(error)
        channel, key = candidate.channel, candidate.key
        plan.failed(candidate)
        self.health.failure(channel.id, key.index, status, error.retry_after_ms, time.monotonic())
        logger.warning(
            "attempt failed",
            extra={
                "request_id": exchange.request_id,
                "channel": channel.id,
                "status": status,
                "reason": error.reason,
            },
        )
        disable = isinstance(error, ChannelError) and not channel.defect
        if channel.auto_ban and (
            should_disable(status, error.message, exchange.snapshot.options, channel)
            or (disable and exchange.snapshot.options.automatic_disable_channel)
        ):
            self._spawn(self.disable(channel.id, key.index, error.message[:200]))

    def _spawn(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await work
            except Exception:
                logger.exception("could not disable a channel")

        chore = asyncio.get_running_loop().create_task(run())
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    # -- whole answers ------------------------------------------------------------------------

    async def whole(self, info: CallInfo, envelope: common_pb2.Envelope, task: Task) -> Answer:
        """One unstreamed answer, settled. Raises IsthmusError; then nothing is billed."""
        exchange, plan = await self.begin(info, envelope, task)
        return await self.whole_of(exchange, plan)

    async def whole_of(self, exchange: Exchange, plan: Plan) -> Answer:
        """As whole(), for an exchange that has begun."""
        self.running += 1
        try:
            native, canonical, usage = await self.try_channels(exchange, plan, self._once(exchange))
            exchange.first_byte()
            exchange.usage = usage
            receipt = settle(exchange, self.ledger, usage, billing_pb2.ENDING_COMPLETE)
            if native is not None:
                self.note_kept(exchange, native)
            if exchange.pace is not None:
                exchange.unpace(tokens_of(usage))
                receipt.limits.extend(exchange.pace.shown())
            await self.ledger.settled(receipt)
            return Answer(native, canonical, receipt)
        except IsthmusError as error:
            fail(exchange, self.ledger, error, self.settings.error_log)
            raise
        finally:
            self.running -= 1
            exchange.unpace()
            self.guide.ended(exchange)
            exchange.close_files()
            if exchange.hold is not None:
                self.ledger.release(exchange.hold)
                exchange.hold = None

    def _once(
        self, exchange: Exchange
    ) -> Callable[[Candidate, billing_pb2.Attempt], Awaitable[tuple[bytes | None, Any, usage_pb2.Usage]]]:
        async def run(candidate: Candidate, attempt: billing_pb2.Attempt) -> tuple[bytes | None, Any, usage_pb2.Usage]:
            opened = await open_attempt(exchange, candidate, attempt, self)
            body = await read_whole(opened, self.settings)
            answer = read_answer(exchange, opened, body)
            if estimated(answer[2]) and await exchange.count_exactly(opened.call.sent):
                answer = read_answer(exchange, opened, body)
            return answer

        return run


def read_answer(exchange: Exchange, opened: Opened, body: bytes) -> tuple[bytes | None, Any, usage_pb2.Usage]:
    """Bytes or message, and usage: the vendor's, or counted where it told none. Raises VendorBroken."""
    try:
        if opened.native:
            out, usage = opened.form.relay_whole(body, opened.call)
            if usage is None or (chats(exchange) and not usage.output_tokens):
                canonical = opened.form.decode(body, opened.call)
                usage = told_or_counted(exchange, usage, delivered_by(exchange, opened, canonical))
            return out, None, told_or_counted(exchange, usage, usage.output_tokens)
        canonical = opened.form.decode(body, opened.call)
    except BadAnswer as error:
        raise broken(error, opened.call) from error
    canonical.id = canonical.id or exchange.request_id
    told = canonical.usage if canonical.HasField("usage") else None
    if told is None or not told.input_tokens or (chats(exchange) and not told.output_tokens):
        told = told_or_counted(exchange, told, delivered_by(exchange, opened, canonical))
        canonical.usage.CopyFrom(told)
    return None, canonical, canonical.usage


def chats(exchange: Exchange) -> bool:
    """Whether output tokens are asked for."""
    return exchange.task.operation == common_pb2.OPERATION_CHAT


def estimated(usage: usage_pb2.Usage) -> bool:
    """Whether it is an estimate of ours."""
    return usage.source == usage_pb2.USAGE_SOURCE_COUNTED


def told_or_counted(exchange: Exchange, told: usage_pb2.Usage | None, delivered: int) -> usage_pb2.Usage:
    """What the vendor told of tokens; where it told none or zeros, as counted here. delivered: output tokens."""
    if told is None:
        return counted(exchange.counted_prompt(), delivered, exchange.counter)
    if told.input_tokens and (told.output_tokens or not delivered):
        return told
    usage = usage_pb2.Usage()
    usage.CopyFrom(told)
    usage.input_tokens = told.input_tokens or exchange.counted_prompt()
    usage.output_tokens = told.output_tokens or delivered
    usage.source, usage.counter = usage_pb2.USAGE_SOURCE_COUNTED, exchange.counter
    return usage


def delivered_by(exchange: Exchange, opened: Opened, canonical: Any) -> int:
    """Output tokens of a whole answer, counted."""
    delivered = Delivered(opened.call.sent)
    for choice in getattr(canonical, "choices", ()):
        for part in choice.parts:
            kind = part.WhichOneof("kind")
            if kind == "tool_call":
                delivered.add(part.tool_call.name + part.tool_call.arguments)
            elif kind in ("text", "thinking", "refusal"):
                delivered.add(getattr(part, kind).text)
    return delivered.tokens() if exchange.counter == SCRIPT else delivered.exact()
