"""Takes requests within the limits of their key and of the rules, and gives back what they did not use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from isthmus.v1 import billing_pb2

from core.errors import Forbidden, RateLimited
from core.pacing.demand import (
    CALLS,
    MINUTE,
    REQUESTS,
    SUCCESSES,
    TOKENS,
    Demands,
    Meter,
    Place,
    Refused,
    Taken,
    subject,
    tightest,
)
from core.pacing.rules import fitting
from core.state.options import Options
from core.state.types import Principal

UNSAID = 1000
"""Output tokens reserved where the request names no limit."""


class Backend(Protocol):
    """Where meters and places are: core/pacing/table.py, core/pacing/shared.py."""

    async def take(self, demands: Demands, request: str) -> tuple[Taken, ...]:
        """All of them, or none. Raises Refused."""

    def correct(self, meter: Meter, units: float, request: str) -> None:
        """Takes more of a meter, or gives back."""

    def leave(self, demands: Demands, request: str) -> None:
        """The request has ended."""

    async def close(self) -> None:
        """Lets go of what it holds."""


class PaceRefused(RateLimited):
    """A limit is reached; taken: what the meters hold, for headers."""

    def __init__(self, message: str, retry_after_ms: int, taken: list[Taken]) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)
        self.details = {"limits": ";".join(_shown(each) for each in taken)} if taken else {}


class OperationNotAllowed(Forbidden):
    """The key is for other operations."""

    reason = "OPERATION_NOT_ALLOWED"
    code = "operation_not_allowed"
    default_message = "The API key may not be used for this operation."


def _shown(each: Taken) -> str:
    return f"{each.meter.kind},{each.meter.limit},{each.remaining},{each.reset_ms}"


def demands_of(principal: Principal, group: str, model: str, options: Options, tokens: int) -> Demands | None:
    """What a request of so many tokens asks of the limits; None where none counts for it: the usual case."""
    limits = principal.key.limits if principal.key is not None else None
    if limits is None and not options.rate_limits and not options.rate_limit_enabled:
        return None
    meters: list[Meter] = []
    places: list[Place] = []

    def add(name: str, requests: int, tokens_most: int, concurrency: int) -> None:
        if requests:
            meters.append(Meter(subject(f"{name} r"), REQUESTS, requests, 1))
        if tokens_most:
            meters.append(Meter(subject(f"{name} t"), TOKENS, tokens_most, tokens))
        if concurrency:
            places.append(Place(subject(f"{name} c"), concurrency))

    if limits is not None and principal.key is not None:
        add(f"key {principal.key.id}", limits.requests, limits.tokens, limits.concurrency)
    seen = set()
    for rule in fitting(options.rate_limits, group, model):
        name = rule.counted(principal.account.id, group, model)
        if name not in seen:
            seen.add(name)
            add(name, rule.requests, rule.tokens, rule.concurrency)
    if options.rate_limit_enabled:
        most = options.rate_limit_groups.get(group, (options.rate_limit_count, options.rate_limit_success))
        for kind, limit in zip((CALLS, SUCCESSES), most, strict=True):
            if limit:
                name = f"account {principal.account.id} {kind}"
                meters.append(Meter(subject(name), kind, limit, 1, options.rate_limit_minutes * MINUTE))
    return Demands(tuple(meters), tuple(places)) if meters or places else None


@dataclass(slots=True)
class Pace:
    """A request that was taken: ends once, by what it used."""

    backend: Backend
    demands: Demands
    request: str
    taken: tuple[Taken, ...]
    _ended: bool = field(default=False)

    def end(self, tokens: int | None) -> None:
        """Gives its place back, and corrects what it reserved to the tokens it used; None: nothing was answered."""
        if self._ended:
            return
        self._ended = True
        for meter in self.demands.meters:
            if meter.kind == TOKENS and tokens != meter.cost:
                self.backend.correct(meter, (tokens or 0) - meter.cost, self.request)
            elif meter.kind == SUCCESSES and tokens is None:
                self.backend.correct(meter, -meter.cost, self.request)
        # Also where it held no place: who counts may have kept something of the request.
        self.backend.leave(self.demands, self.request)

    def shown(self) -> list[billing_pb2.RateLimit]:
        """What callers are told."""
        return [
            billing_pb2.RateLimit(
                kind=each.meter.kind, limit=each.meter.limit, remaining=each.remaining, reset_ms=each.reset_ms
            )
            for each in tightest(self.taken)
        ]


async def pace(backend: Backend, demands: Demands, request: str) -> Pace:
    """Takes a request. Raises PaceRefused."""
    try:
        return Pace(backend, demands, request, await backend.take(demands, request))
    except Refused as refused:
        per = " per minute" if refused.kind in (REQUESTS, TOKENS) else ""
        raise PaceRefused(
            f"The limit of {refused.limit} {refused.kind}{per} is reached; try again later.",
            refused.wait_ms,
            tightest(refused.taken),
        ) from None
