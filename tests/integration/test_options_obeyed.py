"""Options that administrators set, obeyed by a running gateway."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.integration.house import PASSWORD, House, Reply, house, http, until
from tests.servers import vendor as fake

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
    (row,) = (row for row in place.manage("GET", "/api/pricing") if row["model_name"] == "gpt-4o")
    assert (row["billing_mode"], row["billing_expr"]) == ("tiered_expr", EXPRESSION.removeprefix("v1: "))
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


# -- what a vendor sees and what a client is told -------------------------------------------------


@pytest.fixture(scope="module")
def other(place: House) -> Iterator[fake.Vendor]:
    """A vendor whose channels' keys say how it behaves."""
    with fake.vendor() as made:
        yield made


def channel(place: House, other: fake.Vendor, name: str, **fields: Any) -> tuple[int, str]:
    """A channel of its own for a model of that name; its id and the model."""
    made = place.add_channel(name=name, key=name, models=name, base_url=other.url, **fields)
    place.option("ModelRatio", json.dumps({"gpt-4o": 1.25, "gpt-4o-mini": 0.075, **dict.fromkeys(MODELS, 1)}))
    return made, name


MODELS = ("thoughts", "plain", "forced", "shaky", "broke", "weak", "slow", "raw")


def events(reply: Reply) -> list[Any]:
    lines = [line[6:] for line in reply.body.decode().splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def thoughtful(asked: fake.Asked) -> None:
    """An answer with reasoning_content before its text."""
    if not asked.body.get("stream"):
        made = json.loads(fake.answer("fine"))
        made["choices"][0]["message"]["reasoning_content"] = "I wonder."
        asked.whole(json.dumps(made).encode())
        return
    asked.stream()
    for piece in ("I ", "wonder."):
        delta = {"index": 0, "delta": {"reasoning_content": piece}, "finish_reason": None}
        asked.chunk(fake.event(choices=[delta]))
    asked.chunk(fake.event("fine") + fake.END)
    asked.chunk(b"")


def test_thinking_to_content(place: House, other: fake.Vendor, key: str) -> None:
    """The channel's setting puts thoughts between <think> tags into the content, whole and streamed."""
    other.behaviours["thoughts"] = other.behaviours["plain"] = thoughtful
    _, told = channel(place, other, "thoughts", setting='{"thinking_to_content":true}')
    _, plain = channel(place, other, "plain")
    message = place.chat(key, model=told).json()["choices"][0]["message"]
    assert message["content"] == "<think>\nI wonder.\n</think>\nfine"
    assert not message.get("reasoning_content")
    deltas = [
        each["choices"][0]["delta"] for each in events(place.chat(key, model=told, stream=True)) if each["choices"]
    ]
    assert "".join(delta.get("content") or "" for delta in deltas) == "<think>\nI wonder.\n</think>\nfine"
    assert not any(delta.get("reasoning_content") for delta in deltas)
    assert place.chat(key, model=plain).json()["choices"][0]["message"]["reasoning_content"] == "I wonder."


def test_force_format(place: House, other: fake.Vendor, key: str) -> None:
    """The answer is made anew: members that OpenAI's form does not have are gone."""

    def odd(asked: fake.Asked) -> None:
        if not asked.body.get("stream"):
            asked.whole(json.dumps({**json.loads(fake.answer("fine")), "x_odd": 1}).encode())
            return
        asked.stream()
        asked.chunk(fake.event("fine", x_odd=1) + fake.END)
        asked.chunk(b"")

    other.behaviours["forced"] = other.behaviours["raw"] = odd
    _, forced = channel(place, other, "forced", setting='{"force_format":true}')
    _, raw = channel(place, other, "raw")
    assert place.chat(key, model=raw).json()["x_odd"] == 1
    answer = place.chat(key, model=forced).json()
    assert answer["choices"][0]["message"]["content"] == "fine"
    assert "x_odd" not in answer
    assert b"x_odd" in place.chat(key, model=raw, stream=True).body
    streamed = place.chat(key, model=forced, stream=True)
    assert b"x_odd" not in streamed.body
    assert "".join(each["choices"][0]["delta"].get("content") or "" for each in events(streamed)) == "fine"


def test_pass_through(place: House, other: fake.Vendor, key: str) -> None:
    place.option("global.pass_through_request_enabled", "true")
    try:
        assert place.chat(key, model="raw", service_tier="flex").status == 200
        assert other.last("raw").body["service_tier"] == "flex"
    finally:
        place.option("global.pass_through_request_enabled", "false")
    assert place.chat(key, model="raw", service_tier="flex").status == 200
    assert "service_tier" not in other.last("raw").body


def test_ping_interval(place: House, other: fake.Vendor) -> None:
    """A stream that is silent gets a comment as often as general_setting.ping_interval_seconds says."""
    go = threading.Event()

    def slow(asked: fake.Asked) -> None:
        asked.stream()
        asked.chunk(fake.event("fine"))
        go.wait(20)
        asked.chunk(fake.END)
        asked.chunk(b"")

    other.behaviours["slow"] = slow
    channel(place, other, "slow")
    place.option("general_setting.ping_interval_seconds", "1")
    place.option("general_setting.ping_interval_enabled", "true")
    # A key no front has asked about yet: the answer about it tells the interval.
    fresh = place.add_key()[1]
    body = json.dumps({"model": "slow", "stream": True, "messages": [{"role": "user", "content": "Hi"}]})
    connection = HTTPConnection("127.0.0.1", place.port, timeout=20)
    headers = {"Authorization": f"Bearer {fresh}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    answer = connection.getresponse()
    read = b""
    while b"\n: " not in read and not read.startswith(b":"):
        # The default interval is 15 s, the vendor's silence longer than this loop: only a ping ends it.
        piece = answer.read1(4096)
        assert piece, read
        read += piece
    go.set()
    assert b"[DONE]" in answer.read()
    connection.close()
    place.option("general_setting.ping_interval_enabled", "false")


def test_thresholds_of_the_machine(place: House, key: str) -> None:
    """performance_setting.*: above one of them new requests get 503, and cost nothing."""
    place.option("performance_setting.monitor_disk_threshold", "0.000001")
    assert place.chat(key).status == 200, "the switch is off"
    place.option("performance_setting.monitor_enabled", "true")
    reply = place.chat(key)
    assert (reply.status, reply.json()["error"]["code"]) == (503, "overloaded")
    place.option("performance_setting.monitor_disk_threshold", "0")
    place.option("performance_setting.monitor_memory_threshold", "0")
    place.option("performance_setting.monitor_cpu_threshold", "0")
    assert place.chat(key).status == 200
    place.option("performance_setting.monitor_enabled", "false")


def failing(status: str, text: str) -> Callable[[fake.Asked], None]:
    body = json.dumps({"error": {"message": text, "type": "x"}}).encode()
    return lambda asked: asked.whole(body, status=status)


def test_which_answers_are_tried_again(place: House, other: fake.Vendor, key: str) -> None:
    """RetryTimes and AutomaticRetryStatusCodes."""
    other.behaviours["shaky"] = failing("418 Teapot", "no")
    channel(place, other, "shaky")
    place.add_channel(name="second", key="shaky", models="shaky", base_url=other.url)
    for times, codes, tries in (("0", "418", 1), ("1", "418", 2), ("1", "400-417,419-499", 1)):
        place.option("RetryTimes", times)
        place.option("AutomaticRetryStatusCodes", codes)
        before = other.counts["shaky"]
        assert place.chat(key, model="shaky").status == 418
        assert other.counts["shaky"] - before == tries, (times, codes)
    place.option("RetryTimes", "0")


def state(place: House, channel_id: int) -> int:
    return int(place.manage("GET", f"/api/channel/{channel_id}")["status"])


def test_what_disables_a_channel_and_enables_it(place: House, other: fake.Vendor, key: str) -> None:
    """AutomaticDisableChannelEnabled, ...StatusCodes, ...Keywords; AutomaticEnableChannelEnabled by a test."""
    other.behaviours["broke"] = failing("402 Payment Required", "Pay, please")
    other.behaviours["weak"] = failing("400 Bad Request", "Your BALANCE is gone")
    broke, _ = channel(place, other, "broke")
    weak, _ = channel(place, other, "weak")
    place.option("AutomaticDisableStatusCodes", "402")
    place.option("AutomaticDisableKeywords", "balance is gone")
    place.chat(key, model="broke")
    assert state(place, broke) == 1, "the switch is off"
    place.option("AutomaticDisableChannelEnabled", "true")
    for name, number in (("broke", broke), ("weak", weak)):
        place.chat(key, model=name)
        until(lambda number=number: state(place, number) == 3, f"{name} was not disabled")  # type: ignore[misc]
    del other.behaviours["broke"]
    place.manage("GET", f"/api/channel/test/{broke}")
    assert state(place, broke) == 3, "the switch is off"
    place.option("AutomaticEnableChannelEnabled", "true")
    place.manage("GET", f"/api/channel/test/{broke}")
    until(lambda: state(place, broke) == 1, "it was not enabled again")
    place.option("AutomaticEnableChannelEnabled", "false")
    place.option("AutomaticDisableChannelEnabled", "false")


def test_sensitive_words_and_their_switches(place: House, key: str) -> None:
    place.option("SensitiveWords", "Forbidden Fruit\nother")
    refused = place.chat(key, "a forbidden FRUIT")
    assert refused.json()["error"]["code"] == "sensitive_words_detected"
    for switch in ("CheckSensitiveEnabled", "CheckSensitiveOnPromptEnabled"):
        place.option(switch, "false")
        assert place.chat(key, "a forbidden FRUIT").status == 200
        place.option(switch, "true")
    assert place.chat(key, "a forbidden FRUIT").status != 200


def test_the_key_of_a_new_account(tmp_path: Path) -> None:
    """GENERATE_DEFAULT_TOKEN, in the group auto where DefaultUseAutoGroup is on."""
    with house(tmp_path, environ={"GENERATE_DEFAULT_TOKEN": "true"}) as made:
        for name, group in (("first", ""), ("second", "auto")):
            made.option("DefaultUseAutoGroup", "true" if group else "false")
            body = {"username": name, "password": PASSWORD, "password2": PASSWORD}
            assert http("POST", made.base + "/api/user/register", body).json()["success"]
            (token,) = made.manage("GET", "/api/token/?p=1&page_size=10", who=made.sign_in(name))["items"]
            assert (token["group"], token["unlimited_quota"]) == (group, True)
