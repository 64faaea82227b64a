"""Requests that say one thing to the gateway and another to the vendor, or to the ledger: what is served is billed."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from isthmus.v1 import chat_pb2, chat_pb2_grpc, common_pb2

from tests.integration.house import House, house, http
from tests.servers import vendor as fake
from tests.servers.vendor import Asked, Vendor, event

GRANTED = 5_000_000
WORDS = 300
TOKENS = WORDS + 1
"""By the model's own vocabulary: the space at the end is one, too."""


def nothing_told(asked: Asked) -> None:
    """A vendor that tells a usage of zeros."""
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    if not asked.body.get("stream"):
        asked.whole(fake.answer("word " * WORDS, zeros))
        return
    asked.stream()
    asked.chunk(event("word " * WORDS) + event(finish="stop", usage=zeros) + b"data: [DONE]\n\n")
    asked.chunk(b"")


def absurd(asked: Asked) -> None:
    """A vendor that tells more than it can have done."""
    asked.whole(fake.answer("word " * WORDS, {"prompt_tokens": 1 << 39, "completion_tokens": 1 << 39}))


@dataclass
class World:
    """The gateway, the vendor, a key."""

    made: House
    vendor: Vendor
    key: str
    key_id: int

    def post(self, body: bytes, path: str = "/v1/chat/completions") -> Any:
        """A raw body."""
        return http("POST", self.made.base + path, body, {"Authorization": f"Bearer {self.key}"})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data: Path = tmp_path_factory.mktemp("attacks")
    with fake.vendor() as vendor, house(data) as made:
        vendor.behaviours |= {"zeros": nothing_told, "absurd": absurd}
        made.add_channel(type=8, key="plain", base_url=vendor.url, models="gpt-4o-mini,gpt-4o")
        made.add_channel(type=8, key="zeros", base_url=vendor.url, models="gpt-4.1")
        made.add_channel(type=8, key="absurd", base_url=vendor.url, models="gpt-4.1-nano")
        made.add_channel(type=8, key="through", base_url=vendor.url, models="gpt-4.1-mini",
                         setting=json.dumps({"pass_through_body_enabled": True}))  # fmt: skip
        number, key = made.add_key(remain_quota=GRANTED)
        yield World(made, vendor, key, number)


@pytest.fixture
async def stub(world: World) -> AsyncIterator[Any]:
    options = [("grpc.max_send_message_length", 100 << 20), ("grpc.max_receive_message_length", 100 << 20)]
    async with grpc.aio.insecure_channel(world.made.grpc, options=options) as channel:
        yield chat_pb2_grpc.ChatServiceStub(channel)


def asks(model: str = "gpt-4o-mini", **envelope: Any) -> dict[str, Any]:
    """Envelope and chat of a small request."""
    chat = chat_pb2.ChatRequest()
    chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = "hi"
    told = common_pb2.Envelope(operation=common_pb2.OPERATION_CHAT, model=model, **envelope)
    return {"envelope": told, "chat": chat}


MESSAGES = b'"messages":[{"role":"user","content":"hi"}]'


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"gpt-4o","model":"gpt-4o-mini",%b}' % MESSAGES,
        b'{"\\u006dodel":"gpt-4o","model":"gpt-4o-mini",%b}' % MESSAGES,
        b'{"model":"gpt-4o-mini","Model":"gpt-4o",%b}' % MESSAGES,
        b'{"model":"gpt-4o-mini","\xc5\xbftream":true,%b}' % MESSAGES,
        b'{"model":"gpt-4o-mini","n":100,"n":1,%b}' % MESSAGES,
        b'{"model":"gpt-4o-mini",%b,"MESSAGES":[]}' % MESSAGES,
    ],
)
def test_members_named_twice_are_refused(world: World, body: bytes) -> None:
    before = world.vendor.counts["plain"]
    reply = world.post(body)
    assert reply.status == 400, (reply.body, world.vendor.last("plain").raw)
    assert world.vendor.counts["plain"] == before


@pytest.mark.parametrize("stream", [False, True])
def test_a_usage_of_zeros_is_counted(world: World, stream: bool) -> None:
    body = {"model": "gpt-4.1", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    reply = world.post(json.dumps(body).encode())
    assert reply.status == 200
    line = world.made.line(reply.headers["x-oneapi-request-id"])
    assert line["completion_tokens"] == TOKENS
    assert line["receipt"]["counter"] == "o200k_base"
    assert line["quota"] > 0


def test_an_absurd_usage_is_counted(world: World) -> None:
    body = {"model": "gpt-4.1-nano", "messages": [{"role": "user", "content": "hi"}]}
    line = world.made.line(world.post(json.dumps(body).encode()).headers["x-oneapi-request-id"])
    assert line["completion_tokens"] == TOKENS
    assert 0 < line["quota"] < GRANTED // 100


async def test_native_bytes_are_a_fronts_alone(world: World, stub: Any) -> None:
    body = b'{"model":"gpt-4o","n":100,"max_tokens":100000,%b}' % MESSAGES
    native = common_pb2.Native(form="openai.chat", body=body)
    metadata = (("authorization", "Bearer " + world.key),)
    answer = await stub.Generate(chat_pb2.GenerateRequest(native=native, **asks("gpt-4.1-mini")), metadata=metadata)
    assert answer.chat.choices
    assert not answer.HasField("native")
    assert json.loads(world.vendor.last("through").raw) == {
        "model": "gpt-4.1-mini",
        "messages": [{"role": "user", "content": "hi"}],
    }


async def test_a_receipt_too_long_to_keep_is_no_free_answer(world: World, stub: Any) -> None:
    metadata = (("authorization", "Bearer " + world.key),)
    before = sum(row[3] for row in world.made.money())
    request = chat_pb2.StreamGenerateRequest(**asks(path="x" * (40 << 20)))
    text = ""
    try:
        async for message in stub.StreamGenerate(request, metadata=metadata):
            text += "".join(each.delta.text for each in message.events)
    except grpc.aio.AioRpcError:
        pass
    after = sum(row[3] for row in world.made.money())
    assert after > before or not text, "served and not billed"


async def test_limits_of_the_envelope_are_those_of_the_request(world: World, stub: Any) -> None:
    metadata = (("authorization", "Bearer " + world.key),)
    asked = asks(max_output_tokens=-(10**9))
    asked["chat"].max_output_tokens = 1000
    asked["chat"].candidates = 3
    answer = await stub.Generate(chat_pb2.GenerateRequest(**asked), metadata=metadata)
    assert answer.receipt.reserved > 900, "1000 tokens of output, three times, at 0.3 a token"


@pytest.mark.parametrize("told", [{"stream": True}, {"Model": "gpt-4o"}, {"n": 9}])
@pytest.mark.parametrize("where", ["chat", "reasoning"])
async def test_extensions_do_not_speak_for_the_request(world: World, stub: Any, told: Any, where: str) -> None:
    metadata = (("authorization", "Bearer " + world.key),)
    asked = asks()
    holder = asked["chat"].reasoning if where == "reasoning" else asked["chat"]
    holder.extensions.by_dialect["openai.chat"] = json.dumps(told).encode()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Generate(chat_pb2.GenerateRequest(**asked), metadata=metadata)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_json_of_a_part_cannot_leave_it(world: World, stub: Any) -> None:
    metadata = (("authorization", "Bearer " + world.key),)
    asked = asks()
    opaque = asked["chat"].messages[0].parts.add().opaque
    opaque.dialect, opaque.kind = "openai.chat", "text"
    opaque.json = b'{"type":"text","text":"x"}]}],"stream":true,"m":[{"c":[{}'
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Generate(chat_pb2.GenerateRequest(**asked), metadata=metadata)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def long(asked: Asked) -> None:
    """A vendor whose answers are much longer than anybody said."""
    time.sleep(1)
    asked.whole(fake.answer("word", {"prompt_tokens": 10, "completion_tokens": 30_000, "total_tokens": 30_010}))


def test_many_whole_answers_at_once_do_not_share_one_small_purse(world: World) -> None:
    """Without max_tokens nobody knows how long an answer is: one may outgrow its purse, not many at once."""
    world.vendor.behaviours["long"] = long
    world.made.add_channel(type=8, key="long", base_url=world.vendor.url, models="gpt-4o-2024-08-06")
    granted, callers = 50_000, 12
    number, key = world.made.add_key(remain_quota=granted)

    def ask(_: int) -> int:
        body = {"model": "gpt-4o-2024-08-06", "messages": [{"role": "user", "content": "x"}]}
        return http("POST", world.made.base + "/v1/chat/completions", body, {"Authorization": f"Bearer {key}"}).status

    with ThreadPoolExecutor(callers) as pool:
        told = Counter(pool.map(ask, range(callers)))
    assert 1 <= told[200] <= 3, told
    assert told[200] + told[403] + told[401] == callers, told
    world.made.money()
    assert world.made.token(number)["used_quota"] <= granted
