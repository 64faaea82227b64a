"""Moderations through the gateway, by OpenAI's SDK and over gRPC."""

from __future__ import annotations

import grpc
import openai
import pytest
from isthmus.v1 import common_pb2, moderation_pb2, moderation_pb2_grpc

from tests.integration.house import House

MODEL = "text-moderation-stable"


@pytest.fixture(scope="module")
def secret(gateway: House) -> str:
    gateway.add_channel(models=MODEL)
    return gateway.add_key()[1]


def test_default_model_is_billed_by_counted_tokens(gateway: House, secret: str) -> None:
    with openai.OpenAI(api_key=secret, base_url=gateway.base + "/v1", max_retries=0) as client:
        reply = client.moderations.with_raw_response.create(input="such violence " * 20)
        answer = reply.parse()
    assert answer.model == MODEL
    assert answer.results[0].flagged
    assert answer.results[0].categories.violence
    assert not answer.results[0].categories.hate
    line = gateway.line(reply.headers["x-request-id"])
    # 40 words, some of more than six letters: two tokens each; ratio 0.1.
    assert line["prompt_tokens"] == 60
    assert line["completion_tokens"] == 0
    assert line["quota"] == 6


def test_grpc(gateway: House, secret: str) -> None:
    asked = moderation_pb2.ModerateRequest()
    asked.envelope.operation, asked.envelope.model = common_pb2.OPERATION_MODERATION, MODEL
    for text in ("hate", "love"):
        asked.moderation.inputs.add().parts.add().text.text = text
    with grpc.insecure_channel(gateway.grpc) as channel:
        stub = moderation_pb2_grpc.ModerationServiceStub(channel)
        answer = stub.Moderate(asked, metadata=[("authorization", f"Bearer {secret}")], timeout=60)
    assert [result.flagged for result in answer.results] == [True, False]
    assert answer.usage.input_tokens == 2


def test_no_input_is_refused(gateway: House, secret: str) -> None:
    with (
        openai.OpenAI(api_key=secret, base_url=gateway.base + "/v1", max_retries=0) as client,
        pytest.raises(openai.BadRequestError) as refused,
    ):
        client.moderations.create(input=[])
    assert refused.value.param == "input"
