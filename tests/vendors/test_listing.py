"""Lists of models and balances: addresses are the vendors', answers are read in all their shapes."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from core.errors import InvalidRequest
from core.state.types import Channel
from core.vendors import balance, listing
from core.vendors.interface import BadAnswer, Call
from core.vendors.registry import ALL

TODAY = datetime.date(2026, 3, 14)


def call(number: int, **fields: Any) -> Call:
    """A call of a channel of the type."""
    fields = {"base_url": ALL[number].base_url or "https://v.example.com", **fields}
    channel = Channel(
        id=1, type=number, name="c", keys=(), models=frozenset(), groups=frozenset(), priority=0, weight=0, **fields
    )
    return Call(channel, "key-1234567", "", "", False)


@pytest.mark.parametrize(
    ("number", "fields", "address"),
    [
        (1, {}, "https://api.openai.com/v1/models"),
        (3, {"other": "2024-10-21"}, "https://v.example.com/openai/models?api-version=2024-10-21"),
        (4, {}, "http://localhost:11434/api/tags"),
        (14, {}, "https://api.anthropic.com/v1/models?limit=1000"),
        (17, {}, "https://dashscope.aliyuncs.com/compatible-mode/v1/models"),
        (24, {}, "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000"),
        (25, {"base_url": "kimi-coding-plan"}, "https://api.kimi.com/coding/v1/models"),
        (26, {}, "https://open.bigmodel.cn/api/paas/v4/models"),
        (26, {"base_url": "glm-coding-plan"}, "https://open.bigmodel.cn/api/coding/paas/v4/models"),
        (39, {"other": "acc"}, "https://api.cloudflare.com/client/v4/accounts/acc/ai/models/search"),
        (45, {"base_url": "doubao-coding-plan"}, "https://ark.cn-beijing.volces.com/api/coding/v3/v1/models"),
        (1001, {}, "https://api.groq.com/openai/v1/models"),
        (1000, {"base_url": "http://127.0.0.1:3100/"}, "http://127.0.0.1:3100/v1/models"),
    ],
)
def test_where_lists_are(number: int, fields: dict[str, str], address: str) -> None:
    made = listing.listing(call(number, **fields))
    assert (made.method, made.url, made.body) == ("GET", address, b"")


def test_credentials_of_lists() -> None:
    def headers(number: int, **fields: Any) -> dict[str, str]:
        return dict(listing.listing(call(number, **fields)).headers)

    assert headers(1)["Authorization"] == "Bearer key-1234567"
    anthropic = headers(14)
    assert (anthropic["x-api-key"], anthropic["anthropic-version"]) == ("key-1234567", "2023-06-01")
    assert "Authorization" not in anthropic
    assert headers(24)["x-goog-api-key"] == "key-1234567"
    assert headers(1, header_override={"Authorization": "Basic x"})["Authorization"] == "Basic x"


@pytest.mark.parametrize("number", [8, 11, 16, 18, 23, 57])
def test_types_without_a_list_say_so(number: int) -> None:
    with pytest.raises(InvalidRequest, match=ALL[number].name):
        listing.listing(call(number))


@pytest.mark.parametrize(
    ("number", "body", "expected", "following"),
    [
        (1, {"object": "list", "data": [{"id": "gpt-4o"}, {"id": "o3"}]}, ["gpt-4o", "o3"], ""),
        (4, {"models": [{"name": "qwen3:8b", "model": "qwen3:8b"}]}, ["qwen3:8b"], ""),
        (14, {"data": [{"id": "a"}], "has_more": True, "last_id": "a"}, ["a"], "a"),
        (14, {"data": [{"id": "b"}], "has_more": False, "last_id": "b"}, ["b"], ""),
        (24, {"models": [{"name": "models/gemini-2.5-pro"}], "nextPageToken": "t"}, ["gemini-2.5-pro"], "t"),
        (34, {"models": [{"name": "command-a"}], "next_page_token": None}, ["command-a"], ""),
        (39, {"result": [{"id": "f8", "name": "@cf/meta/llama-3-8b"}]}, ["@cf/meta/llama-3-8b"], ""),
        (1008, [{"id": "openai/gpt-4.1", "name": "GPT-4.1"}], ["openai/gpt-4.1"], ""),
        (1002, [{"id": "a"}, {"id": 3}, "b", None, {}], ["a", "b"], ""),
    ],
)
def test_lists_in_all_their_shapes(number: int, body: Any, expected: list[str], following: str) -> None:
    assert listing.names(orjson.dumps(body), call(number)) == (expected, following)


@pytest.mark.parametrize("body", [b"", b"<html>", b"3", b"{}", b'{"data":{}}', b'{"error":"no"}'])
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        listing.names(body, call(1))


def test_following_pages_are_asked_for() -> None:
    assert listing.listing(call(24), "a b").url.endswith("?pageSize=1000&pageToken=a+b")
    assert listing.listing(call(14), "id").url.endswith("?limit=1000&after_id=id")


@pytest.mark.parametrize(
    ("number", "addresses", "answers", "left"),
    [
        (
            1,
            [
                "https://api.openai.com/v1/dashboard/billing/subscription",
                "https://api.openai.com/v1/dashboard/billing/usage?start_date=2026-03-01&end_date=2026-03-14",
            ],
            [{"hard_limit_usd": 120.5}, {"total_usage": 2050}],
            "100",
        ),
        (10, ["https://aiproxy.io/api/report/getUserOverview"], [{"data": {"totalPoints": 12.25}}], "12.25"),
        (12, ["https://api.api2gpt.com/dashboard/billing/credit_grants"], [{"total_remaining": 3}], "3"),
        (13, ["https://api.aigc2d.com/dashboard/billing/credit_grants"], [{"total_available": 4}], "4"),
        (
            20,
            ["https://openrouter.ai/api/v1/credits"],
            [{"data": {"total_credits": 10, "total_usage": 2.5}}],
            "7.5",
        ),
        (25, ["https://api.moonshot.cn/v1/users/me/balance"], [{"data": {"available_balance": 73}}], "10"),
        (40, ["https://api.siliconflow.cn/v1/user/info"], [{"data": {"totalBalance": "88.00"}}], "88.00"),
        (
            43,
            ["https://api.deepseek.com/user/balance"],
            [{"balance_infos": [{"currency": "USD"}, {"currency": "CNY", "total_balance": "110.00"}]}],
            "110.00",
        ),
    ],
)
def test_balances(number: int, addresses: list[str], answers: list[Any], left: str) -> None:
    asked = balance.questions(call(number), TODAY)
    assert [question.url for question in asked] == addresses
    told = balance.left(call(number), [orjson.dumps(answer) for answer in answers], Decimal("7.3"))
    assert told == Decimal(left)


def test_the_key_of_aiproxy_has_a_header_of_its_own() -> None:
    (asked,) = balance.questions(call(10), TODAY)
    assert dict(asked.headers)["api-key"] == "key-1234567"
    assert "Authorization" not in dict(asked.headers)


def test_types_without_a_balance_say_so() -> None:
    with pytest.raises(InvalidRequest, match="Anthropic tells no balance"):
        balance.questions(call(14), TODAY)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data":{"totalBalance":"NaN"}}', b'{"data":{"totalBalance":"x"}}']
)
def test_what_is_no_balance_is_refused(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        balance.left(call(40), [body], Decimal(7))
