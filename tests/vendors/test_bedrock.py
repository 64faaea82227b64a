"""Bedrock: ids of models, keys, framing, and bodies as AWS's own description of the service takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isthmus.v1 import chat_pb2, common_pb2

from core.errors import ChannelError, InvalidRequest
from core.state.types import Channel
from core.vendors.bedrock.frames import Frames
from core.vendors.bedrock.keys import _parsed as parsed
from core.vendors.bedrock.models import model_id
from core.vendors.interface import BadAnswer, Call
from core.vendors.registry import ALL
from tests.golden import texts
from tests.golden.cases import ROOT
from tests.servers.shapes import faults
from tests.vendors import frames

REQUESTS = sorted((ROOT / "bedrock.converse").glob("request-*.out.json"))


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.name)
def test_every_golden_request_is_one_that_aws_describes(path: Path) -> None:
    told = json.loads(path.read_text())
    if "error" in told:
        return
    operation = "ConverseStream" if told["url"].endswith("/converse-stream") else "Converse"
    assert faults(told["body"], operation) == []


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"messages": [{"role": "user", "content": [{"text": "a", "image": {}}]}]}, "union"),
        ({"messages": [{"role": "user", "content": [{"image": {"format": "bmp", "source": {"bytes": "AA=="}}}]}]}, "word"),
        ({"messages": [], "stream": True}, "unknown"),
        ({"inferenceConfig": {"temperature": 2}}, "within"),
        ({"messages": [{"role": "user", "content": [{"toolUse": {"toolUseId": "a b", "name": "n", "input": {}}}]}]}, "match"),
    ],
)  # fmt: skip
def test_the_check_itself_finds_faults(body: dict[str, Any], wrong: str) -> None:
    assert any(wrong in fault for fault in faults(body, "Converse"))


@pytest.mark.parametrize(
    ("name", "region", "wanted"),
    [
        ("claude-3-5-sonnet-20241022", "us-east-1", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("claude-3-5-sonnet-20241022", "eu-west-1", "anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("claude-3-5-sonnet-20241022", "ap-south-1", "apac.anthropic.claude-3-5-sonnet-20241022-v2:0"),
        ("claude-sonnet-4-5", "ap-northeast-1", "jp.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("claude-sonnet-4-5", "ap-southeast-2", "au.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("claude-sonnet-4-5", "ap-south-1", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("claude-sonnet-4-5", "sa-east-1", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("claude-opus-4-6", "us-west-2", "us.anthropic.claude-opus-4-6-v1"),
        ("claude-opus-4-8", "eu-central-1", "eu.anthropic.claude-opus-4-8"),
        ("claude-2.1", "us-east-1", "anthropic.claude-v2:1"),
        ("nova-lite-v1:0", "eu-north-1", "eu.amazon.nova-lite-v1:0"),
        ("nova-premier-v1:0", "eu-north-1", "amazon.nova-premier-v1:0"),
        ("amazon.nova-pro-v1:0", "us-gov-west-1", "amazon.nova-pro-v1:0"),
        ("meta.llama3-3-70b-instruct-v1:0", "us-east-2", "us.meta.llama3-3-70b-instruct-v1:0"),
        ("deepseek.v3-v1:0", "us-west-2", "deepseek.v3-v1:0"),
        ("us.deepseek.r1-v1:0", "us-west-2", "us.deepseek.r1-v1:0"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "us-east-1", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/x", "us-east-1", "arn:aws:bedrock:us-east-1:1:inference-profile/x"),
    ],
)  # fmt: skip
def test_model_ids(name: str, region: str, wanted: str) -> None:
    assert model_id(name, region) == wanted
    assert model_id(wanted, region) == wanted, "an id is not made into another"


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("claude-sonnet-4-5", "anthropic.messages"),
        ("eu.anthropic.claude-opus-4-6-v1", "anthropic.messages"),
        ("nova-lite-v1:0", "bedrock.converse"),
        ("meta.llama3-3-70b-instruct-v1:0", "bedrock.converse"),
    ],
)
def test_each_model_has_one_form(model: str, form: str) -> None:
    vendor = ALL[33]
    assert [one.name for one in vendor.chat if vendor.serves(one.name, model, vendor.base_url)] == [form]


def test_keys() -> None:
    signing = parsed("AK|SK/+|us-gov-west-1", "")
    assert (signing.access, signing.secret, signing.region, signing.bearer) == ("AK", "SK/+", "us-gov-west-1", "")
    assert parsed("AK|SK|eu-west-1|session", "ak_sk").session == "session"
    assert parsed("key|ap-southeast-4", "api_key").bearer == "key"
    for secret, kind in (
        ("key", ""), ("a|b|c|d|eu-west-1", ""), ("AK|SK|eu-west-1", "api_key"), ("key|eu-west-1", "ak_sk"),
        ("AK||eu-west-1", ""), ("key|evil.example.com/", ""), ("AK|SK|", ""),
    ):  # fmt: skip
        with pytest.raises(ChannelError):
            parsed(secret, kind)


def test_a_key_is_never_shown() -> None:
    assert "SECRET" not in repr(parsed("ACCESS|SECRET|eu-west-1|SESSION", ""))


MESSAGES = [frames.event("a", {"n": 1}), frames.failure("throttlingException", "slow"), frames.chunk({"type": "x"})]


@settings(max_examples=100)
@given(st.lists(st.sampled_from(MESSAGES), max_size=5), st.lists(st.integers(0, 900), max_size=6))
def test_messages_come_whole_whatever_the_split(messages: list[bytes], places: list[int]) -> None:
    body = b"".join(messages)
    reader, at, found = Frames(), 0, []
    for place in [*sorted(min(place, len(body)) for place in places), len(body)]:
        found += reader.feed(body[at:place])
        at = place
    reader.end()
    whole = Frames().feed(body)
    assert found == whole
    assert [frame.size for frame in whole] == [len(message) for message in messages]


@settings(max_examples=150)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_damage_is_told_after_what_was_whole(place: int, flip: int) -> None:
    body = bytearray(b"".join(MESSAGES))
    place %= len(body)
    body[place] ^= flip
    reader = Frames()
    with pytest.raises(BadAnswer):  # noqa: PT012 - where the damage is told depends on where it is
        found = reader.feed(bytes(body))
        before = [message for message in MESSAGES if sum(map(len, MESSAGES[: MESSAGES.index(message) + 1])) <= place]
        assert len(found) == len(before)
        reader.end()


def test_a_stream_cut_inside_a_message_is_no_whole_one() -> None:
    for cut in range(1, len(MESSAGES[0])):
        reader = Frames()
        assert reader.feed(MESSAGES[0][:cut]) == []
        with pytest.raises(BadAnswer):
            reader.end()


CANONICAL = sorted(path for path in ROOT.glob("*/request-*.canonical.json") if "chat" in json.loads(path.read_text()))


@pytest.mark.parametrize("model", ["nova-lite-v1:0", "nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0", "deepseek.r1-v1:0"])
def test_whatever_clients_ask_goes_out_as_aws_describes_it(model: str) -> None:
    """Every request of every dialect's golden files: refused in words, or a body that AWS would take."""
    form = next(one for one in ALL[33].chat if one.name == "bedrock.converse")
    refused, wrong = [], {}
    for path in CANONICAL:
        told = json.loads(path.read_text())
        request = texts.read(told["chat"], chat_pb2.ChatRequest())
        given = json.loads(path.with_name(path.name.replace(".canonical.", ".in.")).read_text())
        body = orjson.dumps(given["body"]) if "body" in given else given.get("text", "").encode()
        native = common_pb2.Native(form="some.dialect", body=body)
        channel = Channel(1, 33, "c", (), ALL[33].base_url, frozenset(), frozenset(), 0, 0)
        call = Call(channel, "AK|SK|us-east-1", model, model, False, native=native)
        try:
            made = form.encode(request, call)
        except InvalidRequest as error:
            refused.append(error)
            continue
        if found := faults(orjson.loads(made.body), "Converse"):
            wrong[path.name] = found
    assert wrong == {}
    assert len(refused) < len(CANONICAL) / 5, [error.message for error in refused]
    assert len(CANONICAL) > 100
