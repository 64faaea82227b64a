"""What a request cost, and its receipt: the receipt is the charge."""

from __future__ import annotations

import time
from dataclasses import replace

from isthmus.v1 import billing_pb2, usage_pb2

from core.errors import IsthmusError
from core.ledger.interface import Ledger
from core.link.call import fault_of
from core.pipeline.exchange import Exchange
from core.pricing.price import Bill, price
from core.pricing.vocabulary import SCRIPT

PATH_MOST, CLIENT_ID_MOST = 512, 64
"""Characters a receipt keeps of what a client told of its request."""
RECEIPT_MOST = 12 << 10
"""Bytes of a receipt. The ledger keeps 16 kB of its journal free for each hold: a longer one might find no room."""
UNITS_MOST = 1 << 62
"""The most a bill comes to, whatever a vendor tells: more is no number a ledger holds."""


def counted(input_tokens: int, output_tokens: int, counter: str = SCRIPT) -> usage_pb2.Usage:
    """Usage as counted here, for answers whose vendor told none. counter: what counted."""
    return usage_pb2.Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        convention=usage_pb2.USAGE_CONVENTION_OPENAI,
        source=usage_pb2.USAGE_SOURCE_COUNTED,
        counter=counter,
    )


def tokens_of(usage: usage_pb2.Usage) -> int:
    """Tokens in and out, as limits count them."""
    return usage.input_tokens + usage.output_tokens


def bill_of(exchange: Exchange, usage: usage_pb2.Usage) -> Bill:
    """The price of the usage so far."""
    if exchange.tariff is not None:
        bill = exchange.tariff.bill(usage, exchange.envelope.model, exchange.reserved)
        return bill if bill.quota <= UNITS_MOST else replace(bill, quota=UNITS_MOST)
    bill = price(
        usage,
        exchange.billed_by(),
        exchange.snapshot.prices,
        exchange.principal.account.group,
        exchange.group,
        exchange.task.operation,
        exchange.principal.account.accept_unset_price or exchange.free,
    )
    return bill if bill.quota <= UNITS_MOST else replace(bill, quota=UNITS_MOST)


def receipt_of(
    exchange: Exchange, usage: usage_pb2.Usage | None, bill: Bill | None, ending: billing_pb2.Ending.ValueType
) -> billing_pb2.Receipt:
    """The receipt as far as the pipeline knows it; the ledger adds what was drawn."""
    principal, envelope = exchange.principal, exchange.envelope
    account, key = principal.account, principal.key
    receipt = billing_pb2.Receipt(
        request_id=exchange.request_id,
        kind=billing_pb2.RECEIPT_KIND_CONSUME,
        settled_ms=time.time_ns() // 1_000_000,
        account_id=account.id,
        username=account.username,
        model=envelope.model,
        group=exchange.group,
        attempts=exchange.attempts,
        ending=ending,
        started_ms=exchange.started_ms,
        first_byte_ms=exchange.first_byte_ms,
        duration_ms=exchange.elapsed_ms(),
        stream=envelope.stream,
        client_request_id=envelope.client_request_id[:CLIENT_ID_MOST],
        operation=exchange.task.operation,
        path=envelope.path[:PATH_MOST],
        dropped=exchange.dropped,
        reserved=exchange.reserved,
    )
    if key is not None:
        receipt.key_id = key.id
        receipt.key_name = key.name
    if account.record_address:
        receipt.client_address = principal.client_address
    if (kept := exchange.conversation) is not None:
        receipt.affinity.rule_name, receipt.affinity.fingerprint = kept.rule_name, kept.fingerprint
        receipt.affinity.channel_id, receipt.affinity.group = kept.channel_id, kept.group
    if usage is not None:
        receipt.usage.CopyFrom(usage)
    if bill is not None:
        receipt.lines.extend(bill.lines)
        receipt.factors.update(bill.factors)
        receipt.formula = bill.formula
    if receipt.ByteSize() > RECEIPT_MOST:
        _shorten(receipt)
    return receipt


def _shorten(receipt: billing_pb2.Receipt) -> None:
    """Leaves out what clients and vendors can make as long as they like; the sums stay."""
    receipt.usage.ClearField("raw")
    if receipt.ByteSize() > RECEIPT_MOST:
        receipt.ClearField("dropped")
    if receipt.ByteSize() > RECEIPT_MOST:
        receipt.usage.ClearField("corrections")
        receipt.usage.ClearField("tool_calls")
        receipt.ClearField("lines")
        receipt.ClearField("formula")
    if receipt.ByteSize() > RECEIPT_MOST:
        del receipt.attempts[:-1]


def settle(
    exchange: Exchange, ledger: Ledger, usage: usage_pb2.Usage, ending: billing_pb2.Ending.ValueType
) -> billing_pb2.Receipt:
    """Charges what was used and ends the hold. Awaits nothing."""
    bill = bill_of(exchange, usage)
    receipt = receipt_of(exchange, usage, bill, ending)
    hold = exchange.hold
    if exchange.free:
        receipt.kind = billing_pb2.RECEIPT_KIND_TEST
        ledger.record(receipt)
    else:
        assert hold is not None, "only tests of channels are free"
        ledger.settle(hold, bill.quota, receipt)
        # Only now: what could not be settled is still to be released.
        exchange.hold = None
    return receipt


def fail(exchange: Exchange, ledger: Ledger, error: IsthmusError, keep: bool) -> None:
    """Ends a request that failed before the vendor answered: it costs nothing. keep: leave a line in the log."""
    hold, exchange.hold = exchange.hold, None
    if hold is not None:
        ledger.release(hold)
    if not keep or not exchange.attempts:
        return
    receipt = receipt_of(exchange, None, None, billing_pb2.ENDING_FAILED)
    receipt.kind = billing_pb2.RECEIPT_KIND_ERROR
    receipt.fault.CopyFrom(fault_of(error))
    ledger.record(receipt)
