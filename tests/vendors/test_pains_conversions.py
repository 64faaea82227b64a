"""What users of gateways lose in conversions, and what is promised instead: a test by the name of each promise.

Those that need a whole gateway are in tests/integration/test_pains_conversions.py; signatures over real streams in
test_openai_to_gemini.py and test_anthropic_to_gemini.py, refused ones in test_second_try.py.
"""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from isthmus.v1 import chat_pb2, common_pb2

from core.state.types import Channel
from core.vendors.interface import Call
from core.vendors.registry import ALL
from core.vendors.shared.identity import call_id_of, header_word, session_of, user_of
from front.dialects.anthropic.dialect import AnthropicChat
from front.dialects.gemini.dialect import GeminiChat
from front.dialects.interface import Ask
from front.dialects.openai.dialect import OpenAIChat
from front.dialects.responses.dialect import OpenAIResponses

DIALECTS: dict[str, Any] = {
    "openai.chat": OpenAIChat(), "openai.responses": OpenAIResponses(), "anthropic.messages": AnthropicChat(),
    "gemini.generate": GeminiChat(streamed=False),
}  # fmt: skip
SESSION = "0b8e5c7a-3f5d-4f0e-9a43-2f1d7c9e6b11"
OLD_ID = f"user_{'a' * 64}_account_{SESSION}_session_{SESSION}"
NEW_ID = json.dumps({"device_id": "a" * 64, "account_uuid": SESSION, "session_id": SESSION})
SOUND = "c2lnbmF0dXJl"


def read(dialect: str, body: dict[str, Any]) -> tuple[chat_pb2.ChatRequest, common_pb2.Native]:
    raw = orjson.dumps(body)
    ask = Ask(raw=raw, source=orjson.loads(raw), path="/", max_messages=1000, names={"model": "m"})
    return DIALECTS[dialect].parse(ask)[1], common_pb2.Native(form=dialect, body=raw)


def channel(number: int) -> Channel:
    none: frozenset[str] = frozenset()
    return Channel(id=1, type=number, name="c", keys=(), base_url="https://vendor.example", models=none, groups=none,
                   priority=0, weight=0)  # fmt: skip


def form(number: int, name: str) -> Any:
    return next(known for known in ALL[number].chat if known.name == name)


SECRET = "AK|SK|us-east-1"


def call(number: int, model: str, native: common_pb2.Native | None = None, stream: bool = False) -> Call:
    return Call(channel(number), SECRET, model, model, stream, native=native)


def sent(dialect: str, body: dict[str, Any], number: int, name: str, model: str = "m") -> tuple[Any, set[str], Any]:
    """What goes to a vendor: body, what is named as dropped, headers."""
    chat, native = read(dialect, body)
    wire = form(number, name).encode(chat, call(number, model, native))
    return json.loads(wire.body), set(wire.dropped), dict(wire.headers)


def anthropic(**more: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 4000, "messages": [{"role": "user", "content": "Hi"}], **more}


def openai(**more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **more}


OTHERS = ((1, "openai.chat"), (1, "openai.responses"), (24, "gemini.generate"), (33, "bedrock.converse"), (34, "cohere.chat"),
          (4, "ollama.chat"))  # fmt: skip


# -- reasoning and signatures --------------------------------------------------------------------


def test_thinking_bytes_go_back_exactly_as_they_came() -> None:
    """Anthropic's thought through OpenAI's dialect, out and back: text and signature bit for bit."""
    thought = {"type": "thinking", "thinking": "So it  is\n", "signature": SOUND}
    answer = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
              "content": [thought, {"type": "tool_use", "id": "t1", "name": "f", "input": {"b": 1, "a": 2}}],
              "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
    said = form(14, "anthropic.messages").decode(json.dumps(answer).encode(), call(14, "claude-opus-4-6"))
    for dialect, place in (("openai.chat", "choices"), ("openai.responses", "output")):
        asked, _ = read(dialect, openai() if place == "choices" else {"model": "m", "input": "Hi"})
        told = json.loads(DIALECTS[dialect].render(said, asked, 1))
        if place == "choices":
            turn = told["choices"][0]["message"]
            result = {"role": "tool", "tool_call_id": turn["tool_calls"][0]["id"], "content": "ok"}
            body = openai(messages=[{"role": "user", "content": "Hi"}, turn, result])
        else:
            (made,) = [item for item in told["output"] if item["type"] == "function_call"]
            result = {"type": "function_call_output", "call_id": made["call_id"], "output": "ok"}
            body = {"model": "m", "input": [{"role": "user", "content": "Hi"}, *told["output"], result]}
        again, _, _ = sent(dialect, body, 14, "anthropic.messages", "claude-opus-4-6")
        assert again["messages"][1]["content"][0] == thought, dialect


@pytest.mark.parametrize("signature", ["", "cut", "isthmus.v1.b3RoZXI", "not base64!"])
def test_signatures_of_another_vendor_empty_or_cut_are_dropped_before_anthropic_sees_them(signature: str) -> None:
    turn = {"role": "assistant", "content": [{"type": "thinking", "thinking": "so", "signature": signature},
                                             {"type": "text", "text": "Hello"}]}  # fmt: skip
    body = anthropic(messages=[{"role": "user", "content": "Hi"}, turn, {"role": "user", "content": "And?"}])
    made, dropped, _ = sent("anthropic.messages", body, 14, "anthropic.messages", "claude-opus-4-6")
    assert "Hello" in json.dumps(made["messages"][1])
    assert "thinking" not in json.dumps(made["messages"])
    assert "parts.thinking" in dropped
    _, native = read("anthropic.messages", body)
    wire = form(14, "anthropic.messages").splice(native, call(14, "m", native))
    assert b"thinking" not in wire.body
    assert "parts.thinking" in wire.dropped


# -- caches --------------------------------------------------------------------------------------


def test_bytes_and_key_order_of_what_was_not_changed_are_kept() -> None:
    """Spaces, escapes, numbers as they were written, order of members: only the model's name is another."""
    raw = (b'{ "messages" : [{"content":"\\u00fc","role":"user"}],"temperature":0.70,  "model":"m","z":1e2,'
           b'"max_tokens":50,"a":{"y":1,"b":2} }')  # fmt: skip
    for number, name in ((40, "openai.chat"), (14, "anthropic.messages")):
        native = common_pb2.Native(form=name, body=raw)
        asked = Call(channel(number), SECRET, "m", "other", False, native=native)
        assert form(number, name).splice(native, asked).body == raw.replace(b'"m"', b'"other"')


def test_tool_order_is_kept() -> None:
    names = ["zeta", "alpha", "mid", "beta"]
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in names]
    for number, name in (*OTHERS, (14, "anthropic.messages")):
        chat, native = read("openai.chat", openai(tools=tools))
        body = (
            form(number, name)
            .encode(chat, call(number, "claude-opus-4-6" if number == 33 else "m", native))
            .body.decode()
        )
        places = [body.index(f'"{each}"') for each in names]
        assert places == sorted(places), name


@pytest.mark.parametrize(("number", "name"), OTHERS)
def test_claude_codes_attribution_block_is_kept_out_of_other_vendors_prompts(number: int, name: str) -> None:
    def body(volatile: str) -> dict[str, Any]:
        system = [{"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1; cch={volatile};"},
                  {"type": "text", "text": "You are Claude Code."}]  # fmt: skip
        return anthropic(system=system)

    model = "claude-opus-4-6" if number == 33 else "m"
    first, _, _ = sent("anthropic.messages", body("aaaaa"), number, name, model)
    second, _, _ = sent("anthropic.messages", body("bbbbb"), number, name, model)
    assert first == second
    assert "billing" not in json.dumps(first)
    assert "You are Claude Code." in json.dumps(first)


def test_the_attribution_block_still_reaches_anthropic() -> None:
    system = [{"type": "text", "text": "x-anthropic-billing-header: cch=a;"}, {"type": "text", "text": "You are."}]
    made, _, _ = sent("anthropic.messages", anthropic(system=system), 14, "anthropic.messages", "claude-opus-4-6")
    assert made["system"][0]["text"].startswith("x-anthropic-billing-header")


@pytest.mark.parametrize("user", [OLD_ID, NEW_ID])
def test_prompt_cache_key_and_session_headers_are_derived_from_the_clients_session_when_absent(user: str) -> None:
    body = anthropic(metadata={"user_id": user})
    for number, name in ((1, "openai.chat"), (1, "openai.responses"), (3, "openai.chat"), (48, "openai.responses"),
                         (1003, "openai.chat")):  # fmt: skip
        made, _, _ = sent("anthropic.messages", body, number, name)
        assert made["prompt_cache_key"] == SESSION, (number, name)
    for number, header in ((48, "x-grok-conv-id"), (1003, "x-session-affinity")):
        _, _, headers = sent("anthropic.messages", body, number, "openai.chat")
        assert headers[header] == SESSION
    # Vendors that do not know the member are not sent it, and what the client says itself wins.
    assert "prompt_cache_key" not in sent("anthropic.messages", body, 40, "openai.chat")[0]
    assert "prompt_cache_key" not in sent("anthropic.messages", anthropic(), 1, "openai.chat")[0]
    own, _, headers = sent("openai.chat", openai(prompt_cache_key="mine", user=user), 48, "openai.chat")
    assert (own["prompt_cache_key"], headers["x-grok-conv-id"]) == ("mine", "mine")


def test_sessions_that_are_none() -> None:
    for user in ("", "ada", "{", "{}", '{"session_id": 7}', '{"session_id": "a b"}', "user_session_x", "[1]"):
        assert session_of(user) == ""
    assert header_word("zwei Wörter").isascii()
    assert header_word("") == ""


@pytest.mark.parametrize("user", [OLD_ID, NEW_ID])
def test_users_longer_than_a_vendor_takes_are_hashed_and_named(user: str) -> None:
    """Claude Code's ids have 150 characters and more; OpenAI takes 64, others 128."""
    for name in ("openai.chat", "openai.responses"):
        made, dropped, _ = sent("anthropic.messages", anthropic(metadata={"user_id": user}), 1, name)
        assert len(made["user"]) == 64
        assert "identity.user" in dropped
    assert user_of(OLD_ID) != user_of(NEW_ID)
    assert user_of("ada") == "ada"
    _, native = read("anthropic.messages", anthropic(metadata={"user_id": user}))
    foreign = json.loads(form(26, "anthropic.messages").splice(native, call(26, "m", native)).body)
    assert len(foreign["metadata"]["user_id"]) <= 128
    at_home = form(14, "anthropic.messages").splice(native, call(14, "m", native)).body
    assert json.loads(at_home)["metadata"]["user_id"] == user


def test_ids_of_calls_longer_than_openai_takes_stay_a_pair() -> None:
    long = "call_" + "x" * 120
    said = [{"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": long, "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": long, "content": "ok"}]}]  # fmt: skip
    chat, _, _ = sent("anthropic.messages", anthropic(messages=said), 1, "openai.chat")
    assert chat["messages"][1]["tool_calls"][0]["id"] == chat["messages"][2]["tool_call_id"]
    assert len(chat["messages"][2]["tool_call_id"]) <= 40
    items = sent("anthropic.messages", anthropic(messages=said), 1, "openai.responses")[0]["input"]
    ids = [item["call_id"] for item in items if "call_id" in item]
    assert len(set(ids)) == 1
    assert len(ids[0]) <= 64
    assert call_id_of(long, 64) != call_id_of(long + "y", 64)
    assert call_id_of("call_1", 40) == "call_1"


@pytest.mark.parametrize(("number", "name", "mark"), [(14, "anthropic.messages", '"cache_control"'),
                                                      (33, "bedrock.converse", '"cachePoint"')])  # fmt: skip
def test_at_most_4_cache_marks(number: int, name: str, mark: str) -> None:
    parts = [{"type": "text", "text": f"part {n}", "cache_control": {"type": "ephemeral"}} for n in range(7)]
    body = openai(messages=[{"role": "user", "content": parts}])
    made, dropped, _ = sent("openai.chat", body, number, name, "claude-opus-4-6")
    assert json.dumps(made).count(mark) == 4
    assert any(each.endswith("cache_mark") for each in dropped)
    few, dropped, _ = sent("openai.chat", openai(messages=[{"role": "user", "content": parts[:4]}]), number, name,
                           "claude-opus-4-6")  # fmt: skip
    assert json.dumps(few).count(mark) == 4
    assert not any(each.endswith("cache_mark") for each in dropped)


# -- effort --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "name", "model", "effort", "place", "told", "named"),
    [
        (14, "anthropic.messages", "claude-opus-4-6", "max", ("output_config", "effort"), "max", False),
        (14, "anthropic.messages", "claude-opus-4-6", "low", ("output_config", "effort"), "low", False),
        (14, "anthropic.messages", "claude-opus-4-6", "minimal", ("output_config", "effort"), "low", True),
        (
            24,
            "gemini.generate",
            "gemini-3-pro",
            "high",
            ("generationConfig", "thinkingConfig", "thinkingLevel"),
            "high",
            False,
        ),
        (
            24,
            "gemini.generate",
            "gemini-3-pro",
            "max",
            ("generationConfig", "thinkingConfig", "thinkingLevel"),
            "high",
            True,
        ),
        (4, "ollama.chat", "gpt-oss", "xhigh", ("think",), "high", True),
        (4, "ollama.chat", "gpt-oss", "low", ("think",), "low", False),
    ],
)
def test_effort_is_mapped_to_the_nearest_a_vendor_has_and_named_when_it_was_changed(
    number: int, name: str, model: str, effort: str, place: tuple[str, ...], told: str, named: bool
) -> None:
    made, dropped, _ = sent("openai.chat", openai(reasoning_effort=effort), number, name, model)
    found: Any = made
    for step in place:
        found = found[step]
    assert str(found).lower() == told
    assert any(each.startswith("reasoning.effort") for each in dropped) == named


@pytest.mark.parametrize("effort", ["low", "medium", "high", "max"])
def test_adaptive_thinking_with_an_effort_and_no_budget_is_understood(effort: str) -> None:
    """As today's clients of Anthropic send it: the effort arrives at every vendor that has one."""
    body = anthropic(thinking={"type": "adaptive"}, output_config={"effort": effort})
    made, dropped, _ = sent("anthropic.messages", body, 1, "openai.responses", "gpt-5")
    assert made["reasoning"]["effort"] in (effort, "xhigh", "high")
    changed = made["reasoning"]["effort"] != effort
    assert changed == any(each.startswith("reasoning.effort") for each in dropped)
    assert "budget" not in json.dumps(made)


# -- tools ---------------------------------------------------------------------------------------


def test_tools_with_the_same_index_keep_their_identity() -> None:
    """A vendor that gives every call of a stream the index 0: two calls, each with its own arguments."""

    def piece(call_id: str, name: str, arguments: str) -> bytes:
        made = {"index": 0, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        return (
            b"data: "
            + json.dumps({"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [made]}}]}).encode()
            + b"\n\n"
        )

    decoder = form(1, "openai.chat").decoder(call(1, "m", stream=True))
    events = decoder.feed(piece("a", "first", '{"x":1}') + piece("b", "second", '{"y":2}') + b"data: [DONE]\n\n")
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for event in events:
        if event.HasField("part_started") and event.part_started.part.HasField("tool_call"):
            names[event.part_started.index] = event.part_started.part.tool_call.name
            arguments[event.part_started.index] = event.part_started.part.tool_call.arguments
        elif event.delta.WhichOneof("delta") == "arguments":
            arguments[event.delta.index] += event.delta.arguments
    assert [(names[index], arguments[index]) for index in sorted(names)] == [
        ("first", '{"x":1}'),
        ("second", '{"y":2}'),
    ]


SEARCHES = {
    "openai.chat": openai(web_search_options={"search_context_size": "low"}),
    "openai.responses": {"model": "m", "input": "Hi", "tools": [{"type": "web_search"}]},
    "anthropic.messages": anthropic(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    "gemini.generate": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "tools": [{"googleSearch": {}}]},
}
SEARCHED = {
    (1, "openai.chat"): "web_search_options", (1, "openai.responses"): '"web_search', (24, "gemini.generate"): "googleSearch",
    (14, "anthropic.messages"): "web_search_20",
}  # fmt: skip


@pytest.mark.parametrize("dialect", SEARCHES)
def test_web_search_is_mapped_where_both_sides_have_it(dialect: str) -> None:
    for (number, name), word in SEARCHED.items():
        made, dropped, _ = sent(dialect, SEARCHES[dialect], number, name, "claude-opus-4-6" if number == 14 else "m")
        assert word in json.dumps(made), (dialect, name)
        assert not any(each.startswith("tools.web_search") and "." not in each[6:] for each in dropped), dropped
    # Where a vendor has none it is named.
    assert "tools.web_search" in sent(dialect, SEARCHES[dialect], 4, "ollama.chat")[1]


# -- choices and log-probabilities ---------------------------------------------------------------


def test_second_choices_and_logprobs_arrive_where_a_vendor_has_them_and_are_named_elsewhere() -> None:
    body = openai(n=2, logprobs=True, top_logprobs=3)
    made, dropped, _ = sent("openai.chat", body, 24, "gemini.generate")
    config = made["generationConfig"]
    assert (config["candidateCount"], config["responseLogprobs"], config["logprobs"]) == (2, True, 3)
    assert not dropped & {"candidates", "sampling.logprobs"}
    _, dropped, _ = sent("openai.chat", body, 14, "anthropic.messages", "claude-opus-4-6")
    assert {"candidates", "sampling.logprobs"} <= dropped
    answer = {"id": "c", "model": "m", "choices": [
        {"index": n, "finish_reason": "stop", "message": {"role": "assistant", "content": f"choice {n}"},
         "logprobs": {"content": [{"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": []}]}} for n in (0, 1)]}  # fmt: skip
    said = form(1, "openai.chat").decode(json.dumps(answer).encode(), call(1, "m"))
    assert [choice.parts[0].text.text for choice in said.choices] == ["choice 0", "choice 1"]
    told = json.loads(DIALECTS["openai.chat"].render(said, read("openai.chat", body)[0], 1))
    assert [choice["logprobs"]["content"][0]["logprob"] for choice in told["choices"]] == [-0.5, -0.5]
