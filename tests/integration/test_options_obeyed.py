"""Options that administrators set, obeyed by a running gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.house import House, house, http

EXPRESSION = 'v1: len < 100000 ? tier("short", p * 3 + c * 15) : tier("long", p * 6 + c * 30)'


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway of its own: these options are everybody's."""
    with house(tmp_path_factory.mktemp("obeyed")) as made:
        made.add_channel()
        yield made


@pytest.fixture(scope="module")
def key(place: House) -> str:
    return place.add_key(remain_quota=500_000_000)[1]


def test_a_price_expression(place: House, key: str) -> None:
    """Billed to the unit by the expression, which the receipt shows with its numbers; then by the tables again."""
    place.option("billing_setting.billing_expr", json.dumps({"gpt-4o": EXPRESSION}))
    place.option("billing_setting.billing_mode", '{"gpt-4o": "tiered_expr"}')
    reply = place.chat(key)
    assert reply.status == 200, reply.body
    told = reply.json()["usage"]
    sum_ = told["prompt_tokens"] * 3 + told["completion_tokens"] * 15
    line = place.line(reply.headers["x-request-id"])
    assert line["quota"] == (sum_ + 1) // 2, "round half up of sum / 1e6 x 500000"
    assert json.loads(line["other"])["matched_tier"] == "short"
    assert [item["item"] for item in line["receipt"]["lines"]] == ["p", "c", "len", "tier:short"]
    assert f"{told['prompt_tokens']} * 3 + {told['completion_tokens']} * 15" in line["receipt"]["formula"]
    place.option("billing_setting.billing_mode", "{}")
    reply = place.chat(key)
    assert "matched_tier" not in place.line(reply.headers["x-request-id"])["other"]


def test_an_expression_is_tried_before_it_is_saved(place: House) -> None:
    body = {"key": "billing_setting.billing_expr", "value": json.dumps({"m": "p * 2 - 100"})}
    headers = {"Authorization": place.access_token, "New-Api-User": str(place.root_id)}
    reply = http("PUT", place.base + "/api/option/", body, headers).json()
    assert not reply["success"]
    assert "m: it gives a price below 0 (with p=0)" in reply["message"]


def test_an_expression_may_ask_the_request(place: House, key: str) -> None:
    tier = '(param("service_tier") == "priority" ? 2 : 1)'
    count = 'param("messages.0.content.#")'
    source = f"{tier} * ({count} == nil ? 1 : {count}) * 1000000"
    place.option("billing_setting.billing_expr", json.dumps({"gpt-4o-mini": source}))
    place.option("billing_setting.billing_mode", '{"gpt-4o-mini": "tiered_expr"}')
    parts = [{"type": "text", "text": text} for text in ("a", "b", "c")]
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": parts}]}
    for more, quota in (({}, 1_500_000), ({"service_tier": "priority"}, 3_000_000)):
        reply = place.chat(key, **asked, **more)
        assert reply.status == 200, reply.body
        assert place.line(reply.headers["x-request-id"])["quota"] == quota
    place.option("billing_setting.billing_mode", "{}")
