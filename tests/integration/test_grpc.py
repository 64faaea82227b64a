"""The SDK as a gRPC client of a real gateway; a front and a core apart."""

from __future__ import annotations

import pytest
from isthmus.client import ApiError, Client

from tests.integration.house import House, free_port, http, process, wait_for


async def test_generate_and_receipt(gateway: House, key: str) -> None:
    async with Client(gateway.grpc, key) as client:
        answer = await client.generate("gpt-4o", "Hello")
        assert answer.text
        assert answer.receipt.quota > 0
        assert answer.receipt.usage.input_tokens == answer.usage.input_tokens
        assert {model.name for model in await client.models()} >= {"gpt-4o"}


async def test_stream_ends_with_the_receipt(gateway: House, key: str) -> None:
    async with Client(gateway.grpc, key) as client:
        whole = await client.generate("gpt-4o", "Tell me of canals")
        stream = client.stream("gpt-4o", "Tell me of canals")
        text = "".join([event.delta.text async for event in stream if event.WhichOneof("event") == "delta"])
        assert text == whole.text
        assert stream.receipt.quota == whole.receipt.quota


async def test_errors_have_reasons(gateway: House) -> None:
    async with Client(gateway.grpc, "sk-wrong") as client:
        with pytest.raises(ApiError) as wrong:
            await client.generate("gpt-4o", "Hello")
        assert wrong.value.reason == "KEY_UNKNOWN"
        assert wrong.value.http_status == 401


def test_front_alone(gateway: House, key: str) -> None:
    port = free_port()
    with process(
        "front.command.main", "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--core", gateway.grpc, "--log-level", "WARNING",
    ) as child:  # fmt: skip
        base = f"http://127.0.0.1:{port}"
        wait_for(base + "/api/status", child)
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"Authorization": f"Bearer {key}"}
        reply = http("POST", base + "/v1/chat/completions", body, headers)
        assert reply.status == 200, reply.body
        joined = http("POST", gateway.base + "/v1/chat/completions", body, headers)
        assert reply.json()["choices"] == joined.json()["choices"]
        streamed = http("POST", base + "/v1/chat/completions", {**body, "stream": True}, headers)
        assert streamed.body.rstrip().endswith(b"data: [DONE]")
