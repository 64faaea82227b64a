"""Vendors of every wire form that do wrong, asked in every dialect: a clear error in the dialect, and the right bill.

What OpenAI's form can do wrong in all its ways is in test_vendor_faults.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.house import House, Reply, house
from tests.integration.test_bad_input_dialects import anthropic_error, gemini_error, openai_error
from tests.integration.test_retry_across_forms import FORMS, LAST, ask

GRANTED = 10_000_000
WHOLE = {
    "status=401": 401, "status=403": 403, "status=429 retry_after=7": 429, "status=500": 500, "status=503": 503,
    "reset": 502, "html": 502, "broken_json": 502, "gzip_garbage": 502, "hang": 504, "endless_line": 502,
}  # fmt: skip
"""What the Sandbox is told to do wrong before anything is told, and the status the client sees."""
ENVELOPES = {
    "openai": openai_error, "responses": openai_error, "anthropic": anthropic_error, "gemini": gemini_error,
}  # fmt: skip
TOLD = {"openai": b'{"error":', "responses": b"event: error", "anthropic": b"event: error", "gemini": b'{"error":'}
"""How a dialect tells an error inside a stream."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One channel for each form; nobody stands beside, and no channel rests."""
    environ = {"STREAMING_TIMEOUT": "1", "ISTHMUS_MAX_ANSWER_MB": "4", "ISTHMUS_FLUSH_SECONDS": "0.02"}
    with house(tmp_path_factory.mktemp("forms"), environ=environ) as gateway:
        gateway.option("SelfUseModeEnabled", "true")
        for form, number in FORMS.items():
            gateway.add_channel(type=number, models=f"{form}-faults")
        yield gateway


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=LAST)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def envelope(dialect: str, reply: Reply) -> None:
    """The dialect's own, with the request's id, and nothing of the vendor's address."""
    if dialect in ("openai", "responses") or reply.status in (401, 403):
        assert reply.headers["x-request-id"] in ENVELOPES[dialect](reply)
    assert reply.headers["x-request-id"].encode() in reply.body
    assert b"127.0.0.1" not in reply.body


@pytest.mark.parametrize("orders", WHOLE)
def test_nothing_told_costs_nothing(made: House, form: str, dialect: str, orders: str) -> None:
    key_id, key = made.add_key(remain_quota=GRANTED)
    reply = ask(made, key, dialect, f"{form}-faults", False, f"Hello [[sandbox {orders}]]")
    assert reply.status == WHOLE[orders], (reply.status, reply.body[:300])
    assert reply.headers["content-type"] == "application/json"
    envelope(dialect, reply)
    if "retry_after" in orders:
        assert reply.headers["retry-after"] == "7"
    line = made.line(reply.headers["x-request-id"])
    assert (line["type"], line["quota"], line["receipt"]["ending"]) == (5, 0, "ENDING_FAILED")
    assert made.token(key_id)["remain_quota"] == GRANTED


@pytest.mark.parametrize("orders", ["status=500", "reset", "html", "gzip_garbage", "hang"])
def test_a_stream_that_never_begins_is_an_answer_with_a_status(
    made: House, form: str, dialect: str, orders: str
) -> None:
    key_id, key = made.add_key(remain_quota=GRANTED)
    reply = ask(made, key, dialect, f"{form}-faults", True, f"Hello [[sandbox {orders}]]")
    assert reply.status == WHOLE[orders], (reply.status, reply.body[:300])
    envelope(dialect, reply)
    assert made.line(reply.headers["x-request-id"])["quota"] == 0
    assert made.token(key_id)["remain_quota"] == GRANTED


@pytest.mark.parametrize("orders", ["cut_after=4", "error_in_stream"])
def test_a_stream_that_breaks_says_so_and_is_billed_for_what_came(
    made: House, form: str, dialect: str, orders: str
) -> None:
    key_id, key = made.add_key(remain_quota=GRANTED)
    text = f"Hello there, dear friend [[sandbox {orders} chunks=12 delay_ms=20]]"
    reply = ask(made, key, dialect, f"{form}-faults", True, text)
    assert reply.status == 200, reply.body[:300]
    assert TOLD[dialect] in reply.body, reply.body
    assert LAST[dialect] not in reply.body
    line = made.line(reply.headers["x-request-id"])
    assert line["receipt"]["ending"] == "ENDING_VENDOR_BROKE"
    assert GRANTED - made.token(key_id)["remain_quota"] == line["quota"] > 0


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("orders", ["one_byte", "no_usage", "content_type=text/plain"])
def test_strange_but_whole_answers_arrive(made: House, form: str, dialect: str, orders: str, streamed: bool) -> None:
    key_id, key = made.add_key(remain_quota=GRANTED)
    reply = ask(made, key, dialect, f"{form}-faults", streamed, f"Hello [[sandbox {orders} chunks=1]]")
    assert reply.status == 200, reply.body[:300]
    assert b"heard" in reply.body
    assert not streamed or LAST[dialect] in reply.body
    line = made.line(reply.headers["x-request-id"])
    assert line["receipt"]["ending"] == "ENDING_COMPLETE"
    assert GRANTED - made.token(key_id)["remain_quota"] == line["quota"] > 0
