"""One request, several vendors: an attempt that fails in one wire form is followed by one in another, within the request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.house import House, Reply, house, http
from tests.integration.test_pains import receipt
from tests.servers import vendor as fake
from tests.servers.vendor import Asked, Vendor

FORMS = {"openai": 1, "anthropic": 14, "gemini": 24}
"""The wire forms of the three vendors, and their channel types."""
PAIRS = [(first, second) for first in FORMS for second in FORMS if first != second]
TEXT = "Hello [[sandbox chunks=1]]"
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
GRANTED = 10_000_000


def fails(asked: Asked) -> None:
    asked.whole(
        b'{"error": {"message": "no luck", "type": "x", "status": "INTERNAL"}}', status="500 Internal Server Error"
    )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Vendor]]:
    """A vendor that fails, and the Sandbox."""
    with fake.vendor() as vendor, house(tmp_path_factory.mktemp("forms")) as made:
        made.option("SelfUseModeEnabled", "true")
        made.option("RetryTimes", "2")
        vendor.behaviours["fails"] = fails
        yield made, vendor


def ask(made: House, key: str, dialect: str, model: str, streamed: bool, text: str = TEXT) -> Reply:
    """A question with a system text and a tool, in a dialect."""
    headers = {"Authorization": f"Bearer {key}"}
    chat: list[dict[str, Any]] = [{"role": "user", "content": text}]
    if dialect == "openai":
        tool = {"type": "function", "function": {"name": "weather", "parameters": TOOL}}
        chat.insert(0, {"role": "system", "content": "Be brief"})
        body: dict[str, Any] = {"model": model, "messages": chat, "tools": [tool], "stream": streamed}
        return http("POST", made.base + "/v1/chat/completions", body, headers)
    if dialect == "responses":
        tool = {"type": "function", "name": "weather", "parameters": TOOL, "strict": False}
        body = {"model": model, "input": text, "instructions": "Be brief", "tools": [tool], "stream": streamed}
        return http("POST", made.base + "/v1/responses", body, headers)
    if dialect == "anthropic":
        tool = {"name": "weather", "input_schema": TOOL}
        body = {"model": model, "max_tokens": 50, "system": "Be brief", "messages": chat, "tools": [tool]}
        headers["anthropic-version"] = "2023-06-01"
        return http("POST", made.base + "/v1/messages", {**body, "stream": streamed}, headers)
    body = {
        "contents": [{"role": "user", "parts": [{"text": text}]}],
        "systemInstruction": {"parts": [{"text": "Be brief"}]},
        "tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": TOOL}]}],
    }
    action = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    return http("POST", f"{made.base}/v1beta/models/{model}:{action}", body, headers)


LAST = {
    "openai": b"data: [DONE]", "responses": b"response.completed", "anthropic": b"message_stop", "gemini": b'"STOP"',
}  # fmt: skip
OWN = {"openai": "openai", "responses": "openai", "anthropic": "anthropic", "gemini": "gemini"}
"""The vendor that speaks a dialect."""


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda name: name)
@pytest.mark.parametrize("dialect", LAST)
def test_another_form_answers(
    stage: tuple[House, Vendor], dialect: str, first: str, second: str, streamed: bool
) -> None:
    """Each attempt is encoded for its own vendor; the client sees one whole answer and one receipt."""
    made, vendor = stage
    key_id, key = made.add_key(remain_quota=GRANTED)
    # Channels of their own: one that has failed often is passed over.
    model = f"{dialect}-{first}-{second}-{streamed}".lower()
    made.add_channel(type=FORMS[first], key="fails", base_url=vendor.url, models=model, priority=10)
    made.add_channel(type=FORMS[second], models=model)
    before = vendor.counts["fails"]
    reply = ask(made, key, dialect, model, streamed)
    assert reply.status == 200, reply.body
    assert b"heard" in reply.body
    if streamed:
        assert LAST[dialect] in reply.body
    held = receipt(made, reply.headers["x-request-id"])
    assert [attempt.channel_type for attempt in held.attempts] == [FORMS[first], FORMS[second]]
    assert vendor.counts["fails"] == before + 1
    # What the first vendor was asked is in its own form.
    sent = vendor.last("fails").body
    assert ("contents" in sent) is (first == "gemini")
    assert ("max_tokens" in sent and "system" in sent) is (first == "anthropic")
    assert json.dumps(sent).count("Be brief") == 1
    # The client's own bytes go where its own form is spoken, and only there.
    assert [attempt.native for attempt in held.attempts] == [first == OWN[dialect], second == OWN[dialect]]
    assert GRANTED - made.token(key_id)["remain_quota"] == held.quota > 0
