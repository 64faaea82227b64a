"""What options change in requests to vendors: suffixes, budgets, limits, headers, bytes that pass through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from isthmus.v1 import chat_pb2, common_pb2

from core.errors import ChannelError, InvalidRequest
from core.options.table import DEFAULTS
from core.state.types import Channel
from core.vendors.interface import BadAnswer, Call, House
from core.vendors.registry import ALL

CLAUDE, GEMINI, OPENAI, AZURE, OPENROUTER = 14, 24, 1, 3, 20


def sent(number: int, model: str, body: dict[str, Any] | None = None, **options: str) -> tuple[dict[str, Any], Any]:
    """The body and the request that go out for a client of the vendor's own form."""
    form = ALL[number].chat[0]
    asked = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}], **(body or {})}).encode()
    native = common_pb2.Native(form=form.name, body=asked)
    wire = form.splice(native, call(number, model, native, **options))
    return json.loads(wire.body), wire


def call(
    number: int, model: str, native: common_pb2.Native | None = None, house: House = House(), **options: str
) -> Call:
    channel = Channel(
        id=1, type=number, name="c", keys=(), base_url="https://v.example", models=frozenset(), groups=frozenset(),
        priority=0, weight=0,
    )  # fmt: skip
    told = {**DEFAULTS, **{name.replace("__", "."): value for name, value in options.items()}}
    return Call(channel, "secret", model, model, False, native=native, options=told, house=house)


@pytest.mark.parametrize(
    ("model", "told", "options", "limit"),
    [
        ("claude-sonnet-4-5", None, {}, 64_000),
        ("claude-sonnet-4-5", 100, {"claude__default_max_tokens": '{"claude-sonnet-4-5":7}'}, 100),
        ("claude-sonnet-4-5", None, {"claude__default_max_tokens": '{"claude-sonnet-4-5":7,"default":9}'}, 7),
        ("claude-sonnet-4-5", None, {"claude__default_max_tokens": '{"default":4096}'}, 4096),
        ("claude-3-opus-20240229", None, {"claude__default_max_tokens": '{"default":50000}'}, 4096),
        ("claude-sonnet-4-5-thinking", None, {"claude__default_max_tokens": '{"claude-sonnet-4-5":7000}'}, 7000),
    ],
)
def test_claude_limit(model: str, told: int | None, options: dict[str, str], limit: int) -> None:
    assert sent(CLAUDE, model, {"max_tokens": told} if told else {}, **options)[0]["max_tokens"] == limit
    chat = chat_pb2.ChatRequest(messages=[chat_pb2.Message(role=chat_pb2.ROLE_USER)])
    chat.messages[0].parts.add().text.text = "Hi"
    if told:
        chat.max_output_tokens = told
    wire = ALL[CLAUDE].chat[0].encode(chat, call(CLAUDE, model, **options))
    assert json.loads(wire.body)["max_tokens"] == limit, "and for clients of other forms"


@pytest.mark.parametrize(
    ("model", "options", "name", "thinking"),
    [
        ("claude-sonnet-4-5-thinking", {}, "claude-sonnet-4-5", {"type": "enabled", "budget_tokens": 8000}),
        ("claude-sonnet-4-5-thinking", {"claude__thinking_adapter_budget_tokens_percentage": "0.5"}, "claude-sonnet-4-5",
         {"type": "enabled", "budget_tokens": 5000}),
        ("claude-sonnet-4-5-thinking-2048", {}, "claude-sonnet-4-5", {"type": "enabled", "budget_tokens": 2048}),
        ("claude-sonnet-4-5-nothinking", {}, "claude-sonnet-4-5", {"type": "disabled"}),
        ("claude-sonnet-4-5-thinking", {"claude__thinking_adapter_enabled": "false"}, "claude-sonnet-4-5-thinking", None),
        ("claude-sonnet-4-5-thinking", {"global__thinking_model_blacklist": '["claude-sonnet-4-5-thinking"]'},
         "claude-sonnet-4-5-thinking", None),
    ],
)  # fmt: skip
def test_claude_thinking(model: str, options: dict[str, str], name: str, thinking: Any) -> None:
    body, _ = sent(CLAUDE, model, {"max_tokens": 10_000}, **options)
    assert (body["model"], body.get("thinking")) == (name, thinking)


@pytest.mark.parametrize("effort", ["low", "medium", "high", "max"])
def test_claude_effort(effort: str) -> None:
    body, _ = sent(CLAUDE, f"claude-opus-4-6-{effort}")
    assert (body["model"], body["output_config"]["effort"]) == ("claude-opus-4-6", effort)


def test_claude_headers() -> None:
    """claude.model_headers_settings: merged with the client's betas, for the models named."""
    option = json.dumps({"claude-x": {"anthropic-beta": ["one", "two"], "x-team": ["red"]}})
    form = ALL[CLAUDE].chat[0]
    body = b'{"model":"claude-x","max_tokens":5,"messages":[]}'
    native = common_pb2.Native(form=form.name, body=body)
    native.headers.add(name="anthropic-beta", value="two,three")
    headers = dict(form.splice(native, call(CLAUDE, "claude-x", native, claude__model_headers_settings=option)).headers)
    assert headers["anthropic-beta"] == "two,three,one"
    assert headers["x-team"] == "red"
    _, wire = sent(CLAUDE, "claude-y", claude__model_headers_settings=option)
    assert "x-team" not in dict(wire.headers)
    for bad in ({"content-length": ["5"]}, {"x y": ["1"]}, {"x": ["a\r\nb: c"]}):
        with pytest.raises(ChannelError, match="cannot be set"):
            sent(CLAUDE, "claude-x", claude__model_headers_settings=json.dumps({"claude-x": bad}))


def gemini(model: str, config: dict[str, Any] | None = None, **options: str) -> tuple[str, Any]:
    """The model in the address, and thinkingConfig."""
    body, wire = sent(GEMINI, model, {"generationConfig": config or {}}, **options)
    return wire.url.partition("models/")[2].partition(":")[0], body["generationConfig"].get("thinkingConfig")


def test_gemini_thinking() -> None:
    most = {"maxOutputTokens": 10_000}
    assert gemini("gemini-2.5-flash-thinking", most) == (
        "gemini-2.5-flash", {"thinkingBudget": 6000, "includeThoughts": True},
    )  # fmt: skip
    half = {"gemini__thinking_adapter_budget_tokens_percentage": "0.5"}
    assert gemini("gemini-2.5-flash-thinking", most, **half)[1]["thinkingBudget"] == 5000
    assert gemini("gemini-2.5-pro-thinking", {"maxOutputTokens": 100})[1]["thinkingBudget"] == 128, "the family's least"
    assert gemini("gemini-2.5-flash-thinking")[1]["thinkingBudget"] == -1, "no limit told: the model's own choice"
    assert gemini("gemini-2.5-flash-thinking-512", most)[1]["thinkingBudget"] == 512
    assert gemini("gemini-2.5-flash-nothinking")[1] == {"thinkingBudget": 0}
    assert gemini("gemini-3-pro-preview-low")[1]["thinkingLevel"] == "LOW"
    off = gemini("gemini-2.5-flash-thinking", most, gemini__thinking_adapter_enabled="false")
    assert off == ("gemini-2.5-flash-thinking", None)
    whole = gemini("gemini-2.5-flash-high", most, global__thinking_model_blacklist='["gemini-2.5-flash-high"]')
    assert whole == ("gemini-2.5-flash-high", None)


@pytest.mark.parametrize(
    ("model", "name", "effort"),
    [
        ("o4-mini-high", "o4-mini", "high"), ("gpt-5-minimal", "gpt-5", "minimal"), ("gpt-5.1-none", "gpt-5.1", "none"),
        ("gpt-5.2-xhigh", "gpt-5.2", "xhigh"), ("gpt-5.1-codex-max", "gpt-5.1-codex-max", None),
        ("gpt-4o-high", "gpt-4o-high", None),
    ],
)  # fmt: skip
def test_openai_effort(model: str, name: str, effort: str | None) -> None:
    body, _ = sent(OPENAI, model)
    assert (body["model"], body.get("reasoning_effort")) == (name, effort)
    kept, _ = sent(OPENAI, model, global__thinking_model_blacklist=json.dumps([model]))
    assert (kept["model"], kept.get("reasoning_effort")) == (model, None)


def test_names_that_end_like_a_suffix() -> None:
    """global.thinking_model_blacklist keeps kimi's own name; what the vendor wants besides is still there."""
    body, _ = sent(OPENROUTER, "moonshotai/kimi-k2-thinking")
    assert (body["model"], body["usage"], body.get("reasoning")) == (
        "moonshotai/kimi-k2-thinking",
        {"include": True},
        None,
    )
    body, _ = sent(OPENROUTER, "anthropic/claude-sonnet-4.5-thinking")
    assert (body["model"], body["reasoning"]) == ("anthropic/claude-sonnet-4.5", {"enabled": True})


@pytest.mark.parametrize("number", [CLAUDE, GEMINI, OPENAI])
def test_bytes_pass_through(number: int) -> None:
    """global.pass_through_request_enabled: not a byte is changed, where the vendor speaks the client's form."""
    form = ALL[number].chat[0]
    body = b'{ "model":"gpt-5-high" ,"service_tier":"x", "serviceTier":"x","messages": [] }'
    native = common_pb2.Native(form=form.name, body=body)
    on = {"global__pass_through_request_enabled": "true"}
    assert form.splice(native, call(number, "gpt-5-high", native, **on)).body == body
    assert form.splice(native, call(number, "gpt-5-high", native)).body != body


def test_settings_of_the_house() -> None:
    """AZURE_DEFAULT_API_VERSION, GEMINI_VISION_MAX_IMAGE_NUM, STREAM_SCANNER_MAX_BUFFER_MB."""
    house = House(azure_api_version="2031-01-01", gemini_images_most=1, event_limit=100)
    chat = chat_pb2.ChatRequest(messages=[chat_pb2.Message(role=chat_pb2.ROLE_USER)])
    chat.messages[0].parts.add().text.text = "Hi"
    assert "api-version=2031-01-01" in ALL[AZURE].chat[0].encode(chat, call(AZURE, "gpt-4o", house=house)).url
    for _ in range(2):
        chat.messages[0].parts.add().image.media.base64 = "aGk="
    with pytest.raises(InvalidRequest, match="at most 1 pictures"):
        ALL[GEMINI].chat[0].encode(chat, call(GEMINI, "gemini-2.5-pro", house=house))
    for number in (CLAUDE, GEMINI, OPENAI):
        form = ALL[number].chat[0]
        for source in (form.decoder(call(number, "m", house=house)), form.relay(call(number, "m", house=house))):
            source.feed(b"data: 4567")
            with pytest.raises(BadAnswer, match="too long"):
                source.feed(b"8" * 200)
