"""May this request go on? Rate limits and filters, before any vendor is called."""

from __future__ import annotations

import time
from typing import Any

from isthmus.v1 import common_pb2

from core.errors import InvalidRequest
from core.pacing.budgets import Budgets
from core.pacing.pacer import UNSAID, Backend, OperationNotAllowed, demands_of, pace
from core.pipeline.exchange import Exchange
from core.pipeline.reserve import limits_of
from core.state.options import Options


class SensitiveWord(InvalidRequest):
    """The prompt holds a word the operator forbids; the word itself is not told."""

    reason = "SENSITIVE_WORD"
    code = "sensitive_words_detected"
    default_message = "The prompt holds a word that is not allowed here."


def check_words(canonical: Any, options: Options) -> None:
    """Raises SensitiveWord where a forbidden word stands anywhere in the request, whatever its case.

    The serialised message holds every text as UTF-8, so that one search covers
    messages, instructions and tools alike.
    """
    words = options.prompt_words
    if not words:
        return
    text = canonical.SerializeToString().decode("utf-8", "ignore").lower()
    for word in words:
        if word in text:
            raise SensitiveWord()


def operation_name(operation: common_pb2.Operation.ValueType) -> str:
    """As a key's list names it: chat, embedding, ..."""
    return common_pb2.Operation.Name(operation).removeprefix("OPERATION_").lower()


async def admit(exchange: Exchange, group: str, prompt_tokens: int, backend: Backend | None, budgets: Budgets) -> None:
    """Counts a request under the limits of its key and of the rules; finds the purse of its key's budget.

    Raises OperationNotAllowed, PaceRefused. exchange.unpace() takes it back.
    """
    principal, task = exchange.principal, exchange.task
    limits = principal.key.limits if principal.key is not None else None
    if limits is not None and limits.operations and operation_name(task.operation) not in limits.operations:
        raise OperationNotAllowed()
    tokens = prompt_tokens
    if task.operation == common_pb2.OPERATION_CHAT:
        most, choices = limits_of(exchange.envelope, task.canonical)
        tokens += most * choices or UNSAID
    demands = demands_of(principal, group, exchange.envelope.model, exchange.snapshot.options, tokens)
    if demands is not None and backend is not None:
        exchange.pace = await pace(backend, demands, exchange.request_id)
    if principal.key is not None and limits is not None and limits.budget_period:
        try:
            exchange.budget = await budgets.purse(principal.key, time.time())
        except BaseException:
            exchange.unpace()
            raise
