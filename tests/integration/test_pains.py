"""A test for each promise of what users of gateways suffer from, under memory and under money.

Some stand where their means are: callers that overdraw in test_crash.py (test_concurrent_requests_never_overdraw),
clients that do not read in test_endings.py, vendors that break in test_vendor_faults.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from isthmus.v1 import billing_pb2

from core.pacing.pacer import PaceRefused, demands_of, pace
from core.pacing.table import Table
from core.state.options import Options
from core.state.types import Account, Principal
from tests.integration.house import House, children, forget_peak, house, http, memory, until
from tests.integration.test_endings import client, read_until
from tests.servers import vendor as fake
from tests.servers.vendor import END, Asked, Vendor, event

MB = 1 << 20
GRANTED = 50_000_000
PIECE = event("x" * 60_000)
"""An event of 60 kB whose text is few tokens of money."""


def tell(megabytes: int) -> Any:
    """A behaviour: a stream of so much."""

    def behave(asked: Asked) -> None:
        asked.stream()
        while asked.sent < megabytes * MB:
            asked.chunk(PIECE)
        asked.chunk(END)
        asked.chunk(b"")

    return behave


def late(asked: Asked) -> None:
    asked.watch()


def slow(asked: Asked) -> None:
    """A word, and then nothing for as long as anybody listens."""
    asked.stream()
    asked.chunk(event("word "))
    asked.watch()


def wrong_convention(asked: Asked) -> None:
    """Anthropic's counts in OpenAI's shape: the cache is larger than the prompt it should be a part of."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
             "prompt_tokens_details": {"cached_tokens": 4000}, "completion_tokens_details": {"reasoning_tokens": -7}}  # fmt: skip
    asked.whole(fake.answer(usage=usage))


def long_error(asked: Asked) -> None:
    """Two words, and an error with a text of thousands."""
    asked.stream()
    asked.chunk(event("two ") + event("words "))
    time.sleep(0.15)
    asked.chunk(b"data: " + json.dumps({"error": {"message": "sorry " * 5000}}).encode() + b"\n\n")
    asked.chunk(b"")


def refusal(asked: Asked) -> None:
    asked.whole(json.dumps({"error": {"message": "sorry " * 5000}}).encode(), status="500 Internal Server Error")


BEHAVIOURS = {
    "short": tell(4), "long": tell(100), "late": late, "slow": slow, "wrong-convention": wrong_convention,
    "long-error": long_error, "refusal": refusal,
}  # fmt: skip


RATIOS = {
    **dict.fromkeys(BEHAVIOURS, 0.5), "gpt-4o": 1.25, "rerank-1": 1, "text-embedding-3-small": 1,
    "long": 0.001, "short": 0.001, "cheap": 0.001,
}  # fmt: skip


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Vendor]]:
    """One worker, so that its memory is the gateway's, before a vendor for each pain and a Sandbox."""
    data: Path = tmp_path_factory.mktemp("pains")
    with fake.vendor() as vendor, house(data) as made:
        made.option("ModelRatio", json.dumps(RATIOS))
        for name, behave in BEHAVIOURS.items():
            vendor.behaviours[name] = behave
            made.add_channel(type=1, key=name, base_url=vendor.url, models=name)
        made.add_channel(models="gpt-4o,text-embedding-3-small,cheap,rerank-1")
        yield made, vendor


@pytest.fixture
def worker(stage: tuple[House, Vendor]) -> int:
    return children(stage[0].gateway.pid)[0]


def receipt(made: House, request_id: str) -> billing_pb2.Receipt:
    """The whole receipt, from the log."""
    made.line(request_id)
    rows = made.rows("SELECT receipt FROM logs WHERE request_id = ?", request_id)
    return billing_pb2.Receipt.FromString(rows[0][0])


# -- memory and speed ------------------------------------------------------------------------------


def stream_peak(made: House, worker: int, key: str, model: str) -> int:
    """How far the worker's memory rises while a client reads a stream to its end."""
    forget_peak(worker)
    base = memory(worker)
    size = 0
    with client(made, key, model) as raw:
        tail = b""
        while b"[DONE]" not in tail:
            data = raw.recv(1 << 18)
            assert data, "the stream was cut"
            size += len(data)
            tail = tail[-100:] + data
    assert size > BEHAVIOUR_SIZES[model] * MB
    return memory(worker, peak=True) - base


BEHAVIOUR_SIZES = {"short": 4, "long": 100}


def test_a_relayed_streams_memory_does_not_grow_with_its_length(stage: tuple[House, Vendor], worker: int) -> None:
    """100 MB take no more than 4 MB do, but for what buffers may hold."""
    made, _ = stage
    _, key = made.add_key(remain_quota=GRANTED)
    short = max(stream_peak(made, worker, key, "short") for _ in range(2))
    long = stream_peak(made, worker, key, "long")
    assert long < max(short, 0) + 24 * MB


def test_rss_returns_to_its_base_after_load(stage: tuple[House, Vendor], worker: int) -> None:
    """Inputs of 2 MB and streams, eight at a time, leave nothing behind: the second load ends where the first did."""
    made, _ = stage
    _, key = made.add_key(remain_quota=GRANTED)
    text = "word " * (2 * MB // 5)

    def load() -> int:
        def ask(number: int) -> None:
            for _ in range(4):
                reply = made.chat(
                    key, f"{text} [[sandbox tokens=2000]]", stream=number % 2 == 0, model="cheap", max_tokens=2000
                )
                assert reply.status == 200, reply.body[:300]

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return memory(worker)

    load()
    base = memory(worker)
    load()
    load()
    # The allocator gives pages back with some delay: wait for it, to a limit.
    until(lambda: memory(worker) < base + 24 * MB, "memory is not given back", 30)


def test_an_inputs_bytes_are_freed_when_the_vendor_has_them(stage: tuple[House, Vendor], worker: int) -> None:
    """Open streams with inputs of 4 MB hold less than their inputs, not five times as much."""
    made, _ = stage
    _, key = made.add_key(remain_quota=GRANTED)
    text, streams = "word " * (4 * MB // 5), 6
    base = memory(worker)
    open_ones = [client(made, key, "slow", text=text) for _ in range(streams)]
    try:
        for raw in open_ones:
            assert b"word " in read_until(raw, b"word ")
        until(lambda: memory(worker) < base + streams * 4 * MB, "the inputs are kept", 15)
    finally:
        for raw in open_ones:
            raw.close()


def held_by_limits(folder: Path, limit: int, requests: int) -> int:
    """Bytes that limits hold after so many requests of each of 50 accounts."""
    options = Options.parse(
        {"ModelRequestRateLimitEnabled": "true", "ModelRequestRateLimitCount": str(limit),
         "ModelRequestRateLimitSuccessCount": str(limit)}
    )  # fmt: skip
    people = [Principal(Account(number, "p", 1, 1, "default", 1), None) for number in range(50)]

    async def ask() -> None:
        for turn in range(requests):
            for person in people:
                demands = demands_of(person, "default", "m", options, 10)
                assert demands is not None
                with contextlib.suppress(PaceRefused):
                    (await pace(table, demands, f"{turn}")).end(10)
        await table.close()

    tracemalloc.start()
    try:
        table = Table(folder / "pacing", 0)
        asyncio.run(ask())
        return tracemalloc.get_traced_memory()[0] + (folder / "pacing").stat().st_size
    finally:
        tracemalloc.stop()


def test_the_rate_limiter_keeps_fixed_bytes_per_key(tmp_path: Path) -> None:
    """Neither a larger limit nor more requests take more memory."""
    held_by_limits(tmp_path, 10, 1)
    few = held_by_limits(tmp_path, 1_000_000, 30)
    assert held_by_limits(tmp_path, 10, 30) <= few * 1.1
    assert held_by_limits(tmp_path, 1_000_000, 200) < few * 1.1
    assert few < 1 << 20


# -- money -----------------------------------------------------------------------------------------


def test_one_number_for_enforcing_and_recording(stage: tuple[House, Vendor]) -> None:
    """A key is refused when what is recorded says so, not before and not after."""
    made, _ = stage
    _, other = made.add_key()
    once = made.line(made.chat(other, max_tokens=8).headers["x-request-id"])
    cost, reserve = once["quota"], once["receipt"]["reserved"]
    granted = reserve + 3 * cost
    key_id, key = made.add_key(remain_quota=granted)
    for number in range(1, 5):
        reply = made.chat(key, max_tokens=8)
        assert reply.status == 200, (number, reply.body)
        made.line(reply.headers["x-request-id"])
        token = made.token(key_id)
        assert token["used_quota"] == number * cost
        assert token["remain_quota"] == granted - number * cost
    # Now less than a reserve is left.
    assert made.token(key_id)["remain_quota"] < reserve
    assert made.chat(key, max_tokens=8).json()["error"]["code"] == "pre_consume_token_quota_failed"
    # With one reserve more it is served again, at once.
    made.manage("PUT", "/api/token/", {**made.token(key_id), "remain_quota": reserve})
    assert made.chat(key, max_tokens=8).status == 200


HELLO = [{"role": "user", "content": "Hello"}]
ROUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": "gpt-4o", "messages": HELLO}),
    "chat, streamed": ("/v1/chat/completions", {"model": "gpt-4o", "messages": HELLO, "stream": True}),
    "responses": ("/v1/responses", {"model": "gpt-4o", "input": "Hello"}),
    "responses, streamed": ("/v1/responses", {"model": "gpt-4o", "input": "Hello", "stream": True}),
    "anthropic": ("/v1/messages", {"model": "gpt-4o", "max_tokens": 50, "messages": HELLO}),
    "anthropic, streamed": ("/v1/messages", {"model": "gpt-4o", "max_tokens": 50, "messages": HELLO, "stream": True}),
    "rerank": ("/v1/rerank", {"model": "rerank-1", "query": "Hello", "documents": ["Hello there", "Bye"]}),
    "gemini": ("/v1beta/models/gpt-4o:generateContent", {"contents": [{"parts": [{"text": "Hello"}]}]}),
    "gemini, streamed": (
        "/v1beta/models/gpt-4o:streamGenerateContent?alt=sse", {"contents": [{"parts": [{"text": "Hello"}]}]},
    ),
    "embeddings": ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "Hello"}),
}  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_settles_through_the_same_function(stage: tuple[House, Vendor], route: str) -> None:
    """A request by any route has one receipt, whose sum has left the key and the account."""
    made, _ = stage
    path, body = ROUTES[route]
    key_id, key = made.add_key(remain_quota=GRANTED)
    made.money()
    before = {row[0]: row[1] for row in made.rows("SELECT id, settled FROM purses")}
    reply = http("POST", made.base + path, body, {"Authorization": f"Bearer {key}"})
    assert reply.status == 200, reply.body
    held = receipt(made, reply.headers["x-request-id"])
    assert held.kind == billing_pb2.RECEIPT_KIND_CONSUME
    assert held.quota > 0
    after = {row[0]: row[1] for row in made.rows("SELECT id, settled FROM purses")}
    moved = {purse: units - before[purse] for purse, units in after.items() if units != before[purse]}
    assert moved == dict(held.purses)
    assert len(moved) == 2
    assert set(moved.values()) == {held.quota}
    assert made.token(key_id)["used_quota"] == held.quota


def test_one_place_alone_settles() -> None:
    """The ledger's settle is called by pipeline/settle.py, and by nothing else."""
    root = Path(__file__).parents[2]
    callers = [
        str(path.relative_to(root))
        for folder in ("core", "front")
        for path in (root / folder).rglob("*.py")
        if "ledger.settle(" in path.read_text()
    ]
    assert callers == ["core/pipeline/settle.py"]


def test_reservations_return_after_cancel(stage: tuple[House, Vendor]) -> None:
    """Twenty clients that leave before the answer: all that was held is there again."""
    made, vendor = stage
    key_id, key = made.add_key(remain_quota=GRANTED)
    before = vendor.counts["late"]
    left: list[socket.socket] = [client(made, key, "late", stream=number % 2 == 0) for number in range(20)]
    until(lambda: vendor.counts["late"] == before + 20, "not all were asked")
    for raw in left:
        raw.close()
    for asked in [asked for asked in vendor.asked if asked.key == "late"][-20:]:
        assert asked.gone.wait(20)
    made.money()
    granted, available = made.rows(
        "SELECT p.granted, p.available FROM purses p JOIN tokens t ON t.purse_id = p.id WHERE t.id = ?", key_id
    )[0]
    assert granted == available == GRANTED


def test_usage_of_the_wrong_convention_is_clamped_and_flagged(stage: tuple[House, Vendor]) -> None:
    """More cached tokens than input, and negative reasoning: never a negative price, and the receipt says so."""
    made, _ = stage
    _, key = made.add_key(remain_quota=GRANTED)
    held = receipt(made, made.chat(key, model="wrong-convention").headers["x-request-id"])
    assert held.usage.input_tokens == held.usage.cached_tokens == 10
    assert held.usage.reasoning_tokens == 0
    assert any("cached tokens 4000" in text for text in held.usage.corrections)
    assert any("reasoning_tokens was -7" in text for text in held.usage.corrections)
    assert all(float(line.amount) >= 0 for line in held.lines)
    assert held.quota > 0


def test_an_errors_text_is_not_billed(stage: tuple[House, Vendor]) -> None:
    """An error's thousands of words cost nothing: alone, or after two words of an answer."""
    made, _ = stage
    key_id, key = made.add_key(remain_quota=GRANTED)
    for stream in (False, True):
        reply = made.chat(key, model="refusal", stream=stream)
        assert reply.status == 500
        assert made.line(reply.headers["x-request-id"])["quota"] == 0
    assert made.token(key_id)["used_quota"] == 0
    line = made.line(made.chat(key, model="long-error", stream=True).headers["x-request-id"])
    assert line["completion_tokens"] == 2
    assert line["receipt"]["ending"] == "ENDING_VENDOR_BROKE"


def test_the_log_shows_what_was_charged(stage: tuple[House, Vendor]) -> None:
    """For whole, streamed, cut and failed requests together: the lines' sum is what left the key."""
    made, _ = stage
    key_id, key = made.add_key(remain_quota=GRANTED)
    ids = [
        made.chat(key, f"Hello {'x' * size}", stream=stream, model=model).headers["x-request-id"]
        for size in (1, 5000)
        for stream in (False, True)
        for model in ("gpt-4o", "long-error", "refusal")
        if not (model == "long-error" and not stream)
    ]
    lines = [made.line(request_id) for request_id in ids]
    with client(made, key, "short") as raw:
        read_until(raw, b"x" * 100)
    until(lambda: len(made.logs(token_name="test", model_name="short")) >= 1, "the cut stream is not in the log")
    made.money()
    total = made.rows("SELECT sum(quota) FROM logs WHERE token_id = ?", key_id)[0][0]
    assert total >= sum(line["quota"] for line in lines) > 0
    token = made.token(key_id)
    assert token["used_quota"] == total == GRANTED - token["remain_quota"]
    for line in lines:
        told = line["receipt"]
        assert told["quota"] == line["quota"]
        if line["quota"]:
            assert told["formula"].endswith(f"= {line['quota']}")
