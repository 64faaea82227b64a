"""Responses that live on, by the official SDK: kept here for vendors that keep none, by their vendors else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.integration.house import House, http, until
from tests.integration.test_responses_sdk import TOOL
from tests.servers import vendor as fake
from tests.servers.vendor import Asked, Vendor

MODELS = ("kept-chat", "kept-claude", "kept-own", "kept-both")


def response(asked: Asked, number: str) -> bytes:
    text = {"type": "output_text", "text": f"answer of {asked.key}", "annotations": []}
    message = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [text]}
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15,
             "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
    return json.dumps(
        {"id": f"resp_vendor{number}", "object": "response", "created_at": 1, "status": "completed", "model": "m",
         "output": [message], "usage": usage, "error": None, "incomplete_details": None, "instructions": None,
         "metadata": {}, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "temperature": 1, "top_p": 1}
    ).encode()  # fmt: skip


def own(asked: Asked) -> None:
    """A vendor that keeps answers: it knows those it made."""
    path = asked.path.partition("?")[0]
    if asked.method == "POST" and path == "/v1/responses":
        previous = asked.body.get("previous_response_id")
        if previous and not previous.endswith(asked.key[-1]):
            told = {"error": {"message": f"Previous response with id '{previous}' not found.", "type": "invalid_request_error",
                              "param": "previous_response_id", "code": "previous_response_not_found"}}  # fmt: skip
            asked.whole(json.dumps(told).encode(), status="400 Bad Request")
            return
        asked.whole(response(asked, f"{time.time_ns()}{asked.key[-1]}"))
    elif path == "/v1/responses/compact":
        usage = {"input_tokens": 100, "output_tokens": 7, "total_tokens": 107}
        item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "sealed"}
        told = {"id": "resp_c", "object": "response.compaction", "created_at": 1, "output": [item], "usage": usage}
        asked.whole(json.dumps(told).encode())
    elif asked.method == "DELETE":
        asked.whole(json.dumps({"id": path.rpartition("/")[2], "object": "response", "deleted": True}).encode())
    elif path.endswith("/input_items"):
        asked.whole(
            json.dumps({"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}).encode()
        )
    elif path.endswith("/cancel"):
        asked.whole(b'{"error":{"message":"Cannot cancel a synchronous response.","type":"invalid_request_error"}}',
                    status="400 Bad Request")  # fmt: skip
    else:
        asked.whole(response(asked, path.rpartition("/")[2].removeprefix("resp_vendor")))


@pytest.fixture(scope="module")
def vendor(gateway: House) -> Iterator[Vendor]:
    with fake.vendor() as made:
        made.behaviours |= {"own-1": own, "own-2": own}
        listed = gateway.manage("GET", "/api/option/")
        ratios = json.loads(next((row["value"] for row in listed if row["key"] == "ModelRatio"), "{}"))
        gateway.option("ModelRatio", json.dumps({**ratios, **dict.fromkeys(MODELS, 1)}))
        gateway.add_channel(type=40, models="kept-chat")
        gateway.add_channel(type=14, models="kept-claude", model_mapping='{"kept-claude":"claude-opus-4-6"}')
        for key in ("own-1", "own-2"):
            gateway.add_channel(type=1, key=key, base_url=made.url, models="kept-own")
        gateway.add_channel(type=40, models="kept-both", priority=5)
        gateway.add_channel(type=1, key="own-1", base_url=made.url, models="kept-both")
        yield made


@pytest.fixture(scope="module")
def key(gateway: House) -> str:
    return gateway.add_key(remain_quota=100_000_000)[1]


@pytest.fixture
def client(gateway: House, vendor: Vendor, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=key, base_url=gateway.base + "/v1", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("model", ["kept-chat", "kept-claude"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_conversation_goes_on_by_previous_response_id(client: openai.OpenAI, model: str, streamed: bool) -> None:
    """The Sandbox answers with what it was told: the third turn still knows the first."""

    def turn(said: str, previous: Any = openai.omit) -> Any:
        asked: Any = {"model": model, "input": f"{said} [[sandbox echo]]", "previous_response_id": previous}
        if not streamed:
            return client.responses.create(**asked)
        last = list(client.responses.create(**asked, stream=True))[-1]
        assert last.type == "response.completed"
        return last.response

    first = turn("My name is Ada.")
    assert first.store is True
    second = turn("What is my name?", first.id)
    third = turn("And again?", second.id)
    assert second.previous_response_id == first.id
    assert third.previous_response_id == second.id
    assert len({first.id, second.id, third.id}) == 3
    # What the vendor was sent grew by the turns before.
    assert first.usage.input_tokens < second.usage.input_tokens < third.usage.input_tokens
    items = list(client.responses.input_items.list(third.id, order="asc"))
    said = [(item.role, item.content[0].text) for item in items if item.type == "message"]
    assert [role for role, _ in said] == ["user", "assistant", "user", "assistant", "user"]
    assert "Ada" in said[0][1]
    assert len({item.id for item in items}) == len(items)


def test_tools_over_kept_turns(client: openai.OpenAI) -> None:
    """A call is answered by its result alone; what came before is here."""
    asked: Any = {"model": "kept-claude", "tools": [TOOL], "reasoning": {"effort": "low", "summary": "auto"},
                  "max_output_tokens": 4000}  # fmt: skip
    first = client.responses.create(input="Weather? [[sandbox tool=weather thinking]]", **asked)
    call: Any = next(item for item in first.output if item.type == "function_call")
    result: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}]
    second = client.responses.create(input=result, previous_response_id=first.id, **asked)
    assert second.status == "completed"
    assert second.output_text


def test_shown_listed_deleted(client: openai.OpenAI, gateway: House) -> None:
    made = client.responses.create(model="kept-chat", input="Hello", metadata={"a": "b"})
    shown = client.responses.retrieve(made.id)
    assert shown.to_dict() == made.to_dict()
    page = client.responses.input_items.list(made.id)
    (item,) = page.data
    assert item.type == "message"
    assert item.content[0].text == "Hello"  # type: ignore[union-attr]
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(made.id)
    client.responses.delete(made.id)
    for ask in (client.responses.retrieve, client.responses.delete, client.responses.input_items.list):
        with pytest.raises(openai.NotFoundError):
            ask(made.id)
    with pytest.raises(openai.BadRequestError, match="previous_response_id"):
        client.responses.create(model="kept-chat", input="x", previous_response_id=made.id)


def test_pages_of_input_items(client: openai.OpenAI) -> None:
    said: Any = [{"role": "user", "content": f"line {number}"} for number in range(5)]
    made = client.responses.create(model="kept-chat", input=said)
    first = client.responses.input_items.list(made.id, order="asc", limit=2)
    assert first.has_more
    assert [item.content[0].text for item in first] == [f"line {number}" for number in range(5)]  # type: ignore[union-attr]
    newest = client.responses.input_items.list(made.id, limit=1)
    assert newest.data[0].content[0].text == "line 4"  # type: ignore[union-attr]
    with pytest.raises(openai.BadRequestError):
        client.responses.input_items.list(made.id, after="msg_none")
    with pytest.raises(openai.BadRequestError):
        client.responses.input_items.list(made.id, limit=1000)


def test_another_accounts_answers_are_unknown(client: openai.OpenAI, gateway: House) -> None:
    made = client.responses.create(model="kept-chat", input="a secret")
    own = client.responses.create(model="kept-own", input="a secret")
    stranger = gateway.add_member("kept-stranger", 10_000_000)
    with openai.OpenAI(api_key=gateway.add_key(stranger)[1], base_url=gateway.base + "/v1", max_retries=0) as other:
        for found in (made, own):
            for ask in (other.responses.retrieve, other.responses.delete, other.responses.input_items.list,
                        other.responses.cancel):  # fmt: skip
                with pytest.raises(openai.NotFoundError):
                    ask(found.id)
        with pytest.raises(openai.BadRequestError):
            other.responses.create(model="kept-chat", input="x", previous_response_id=made.id)
    assert client.responses.retrieve(made.id).id == made.id


def test_store_false_and_the_option_keep_nothing(client: openai.OpenAI, gateway: House) -> None:
    made = client.responses.create(model="kept-chat", input="Hello", store=False)
    assert made.to_dict()["store"] is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_what_is_kept_is_encrypted(client: openai.OpenAI, gateway: House) -> None:
    client.responses.create(model="kept-chat", input="an unmistakable zebra")
    rows = until(lambda: gateway.rows("SELECT content FROM kept_responses WHERE content IS NOT NULL"))
    assert all(b"zebra" not in bytes(row[0]) for row in rows)


def test_vendors_that_keep_answers_are_asked_themselves(client: openai.OpenAI, vendor: Vendor) -> None:
    """Of two channels the one that made an answer is asked on, whichever the draw would say."""
    for _ in range(6):
        first = client.responses.create(model="kept-own", input="Hello")
        key = "own-" + first.id[-1]
        for _ in range(2):
            second = client.responses.create(model="kept-own", input="And?", previous_response_id=first.id)
            assert second.id.endswith(key[-1])
        assert vendor.last(key).body["previous_response_id"] == first.id
    assert client.responses.retrieve(first.id).id == first.id
    assert list(client.responses.input_items.list(first.id, limit=7)) == []
    assert "limit=7" in vendor.last(key).path
    with pytest.raises(openai.BadRequestError, match="synchronous"):
        client.responses.cancel(first.id)
    client.responses.delete(first.id)
    assert vendor.last(key).method == "DELETE"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_a_kept_conversation_may_go_on_at_a_vendor_of_the_form(
    client: openai.OpenAI, gateway: House, vendor: Vendor
) -> None:
    """It is sent whole: the vendor does not know our ids."""
    first = client.responses.create(model="kept-chat", input="My name is Ada.")
    client.responses.create(model="kept-own", input="Who am I?", previous_response_id=first.id)
    sent = max((vendor.last(key) for key in ("own-1", "own-2") if vendor.counts[key]), key=vendor.asked.index).body
    assert "previous_response_id" not in sent
    assert [item["role"] for item in sent["input"]] == ["user", "assistant", "user"]
    assert all("id" not in item for item in sent["input"])


def test_background_is_refused_clearly(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.create(model="kept-chat", input="x", background=True)


def test_compaction(client: openai.OpenAI, gateway: House, vendor: Vendor, key: str) -> None:
    said: Any = [{"role": "user", "content": "a long story"}]
    made = client.responses.compact(model="kept-own", input=said)
    assert made.object == "response.compaction"
    assert made.output[0].to_dict()["encrypted_content"] == "sealed"
    newest = max((vendor.last(name) for name in ("own-1", "own-2") if vendor.counts[name]), key=vendor.asked.index)
    assert newest.path == "/v1/responses/compact"
    with pytest.raises(openai.BadRequestError, match="does not compact"):
        client.responses.compact(model="kept-chat", input=said)
    reply = http("POST", gateway.base + "/v1/responses/compact", {"model": "kept-own", "input": said},
                 {"Authorization": f"Bearer {key}"})  # fmt: skip
    line = gateway.line(reply.headers["x-request-id"])
    assert (line["prompt_tokens"], line["completion_tokens"]) == (100, 7)
    assert line["quota"] > 0
