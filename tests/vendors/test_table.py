"""The table of vendors: numbers and addresses are New API's, quirks are the vendors' own."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from isthmus.v1 import chat_pb2, common_pb2

from core.errors import ChannelError
from core.state.snapshot import channel_of
from core.state.types import Channel
from core.store import models
from core.vendors.interface import Call, VendorRequest
from core.vendors.listing import listing
from core.vendors.registry import ALL
from core.vendors.table import ROWS

NUMBERS = """
1 OpenAI https://api.openai.com
2 Midjourney https://oa.api2d.net
3 Azure -
4 Ollama http://localhost:11434
5 MidjourneyPlus https://api.openai-sb.com
6 OpenAIMax https://api.openaimax.com
7 OhMyGPT https://api.ohmygpt.com
8 Custom -
9 AILS https://api.caipacity.com
10 AIProxy https://api.aiproxy.io
11 PaLM -
12 API2GPT https://api.api2gpt.com
13 AIGC2D https://api.aigc2d.com
14 Anthropic https://api.anthropic.com
15 Baidu https://aip.baidubce.com
16 Zhipu https://open.bigmodel.cn
17 Ali https://dashscope.aliyuncs.com
18 Xunfei wss://spark-api.xf-yun.com
19 360 https://api.360.cn
20 OpenRouter https://openrouter.ai/api
21 AIProxyLibrary https://api.aiproxy.io
22 FastGPT https://fastgpt.run/api/openapi
23 Tencent https://hunyuan.tencentcloudapi.com
24 Gemini https://generativelanguage.googleapis.com
25 Moonshot https://api.moonshot.cn
26 ZhipuV4 https://open.bigmodel.cn
27 Perplexity https://api.perplexity.ai
31 LingYiWanWu https://api.lingyiwanwu.com
33 AWS -
34 Cohere https://api.cohere.ai
35 MiniMax https://api.minimax.chat
36 SunoAPI -
37 Dify https://api.dify.ai
38 Jina https://api.jina.ai
39 Cloudflare https://api.cloudflare.com
40 SiliconFlow https://api.siliconflow.cn
41 VertexAI -
42 Mistral https://api.mistral.ai
43 DeepSeek https://api.deepseek.com
44 MokaAI https://api.moka.ai
45 VolcEngine https://ark.cn-beijing.volces.com
46 BaiduV2 https://qianfan.baidubce.com
47 Xinference -
48 xAI https://api.x.ai
49 Coze https://api.coze.cn
50 Kling https://api.klingai.com
51 Jimeng https://visual.volcengineapi.com
52 Vidu https://api.vidu.cn
53 Submodel https://llm.submodel.ai
54 DoubaoVideo https://ark.cn-beijing.volces.com
55 Sora https://api.openai.com
56 Replicate https://api.replicate.com
57 Codex https://chatgpt.com
58 AdvancedCustom -
"""
STREAM_OPTIONS = {1, 3, 4, 17, 25, 26, 35, 39, 40, 43, 45, 46, 48, 53}
"""Types of OpenAI's form that are always asked for usage in streams (New API's list)."""
RESELLERS = {6, 7, 9, 10, 12, 13}
"""As type 1; New API leaves stream_options out for them, and then counts tokens itself."""


@pytest.mark.parametrize("line", NUMBERS.strip().splitlines())
def test_numbers_names_and_addresses_are_new_apis(line: str) -> None:
    number, name, base = line.split()
    vendor = ALL[int(number)]
    assert vendor.name == name
    # Where the address depends on the channel (region, resource) the row has none.
    assert vendor.base_url in ((base, "") if base != "-" else ("", vendor.base_url))


def test_no_number_twice_and_ours_begin_at_1000() -> None:
    numbers = [row.number for row in ROWS]
    assert len(numbers) == len(set(numbers))
    known = {int(line.split()[0]) for line in NUMBERS.strip().splitlines()}
    assert {number for number in numbers if number < 1000} == known


TASKS = {2, 5, 36, 50, 51, 52, 54, 55, 56}
"""Types that chat, embed or rerank nothing (spec: providers.md): reached by their tasks or pictures, when those come."""


@pytest.mark.parametrize("line", NUMBERS.strip().splitlines())
def test_every_type_is_served_or_says_why_not(line: str) -> None:
    vendor = ALL[int(line.split()[0])]
    served = bool(vendor.chat or vendor.embedding or vendor.rerank)
    assert served != bool(vendor.unavailable)
    if not served:
        assert vendor.name in vendor.unavailable
        assert vendor.unavailable.endswith(".")
    if vendor.number in TASKS:
        assert not served


OPERATIONS = """
1 CTREO 3 CTRE 4 CTE 6 CTREO 7 CTREO 8 C 9 CTREO 10 CTREO 12 CTREO 13 CTREO 14 CM 15 CE 16 C 17 CTRMEK 18 C 19 CE 20 CTREM
21 C 22 C 23 C 24 CE 25 CTMEK 26 CME 27 CR 31 C 33 CM 34 CEK 35 CM 37 C 38 EK 39 CTRE 40 CTEK 41 CME 42 CE 43 CTM 44 E
45 CRMEK 46 CEK 47 CEK 48 CR 49 C 53 C
"""
"""What a type does with text (spec: providers.md): Chat, legacy Text, Responses, Messages, Embeddings, ranK, mOderation."""
NOT_YET = {21: "C", 37: "C", 39: "T", 49: "C"}
"""21 is retired; 39's /ai/run has words of its own, and prompts go out as chat."""
LETTERS = {"openai.completions": "T", "openai.responses": "R", "anthropic.messages": "MC"}


def test_every_type_does_what_it_is_known_for() -> None:
    told = OPERATIONS.split()
    known = {int(number): set(letters) for number, letters in zip(told[::2], told[1::2], strict=True)}
    for number, vendor in ALL.items():
        if number >= 1000 or number == 58:
            continue
        does = {letter for form in vendor.chat for letter in LETTERS.get(form.name, "C")}
        does |= {"E"} if vendor.embedding else set()
        does |= {"K"} if vendor.rerank else set()
        does |= {"O"} if vendor.moderation else set()
        wanted = known.get(number, set())
        assert does <= wanted, (vendor.name, does - wanted)
        assert wanted - does <= set(NOT_YET.get(number, "")), (vendor.name, wanted - does)


@pytest.mark.parametrize("number", [11, 21, 57])
def test_retired_types_say_so(number: int) -> None:
    vendor = ALL[number]
    assert (vendor.chat, vendor.embedding, vendor.rerank) == ((), (), ())
    assert vendor.unavailable.endswith(".")
    assert vendor.name.split()[0] in vendor.unavailable


def sent(number: int, body: dict[str, Any], model: str = "m", kind: str = "chat", **more: Any) -> VendorRequest:
    """What goes out for a client's body of the form."""
    fields = {"base_url": ALL[number].base_url or "https://v.example.com", "other": "", **more}
    query = fields.pop("query", "")
    secret = fields.pop("secret", "key-1234567")
    options = fields.pop("options", {})
    channel = Channel(
        id=1, type=number, name="c", keys=(), models=frozenset(), groups=frozenset(), priority=0, weight=0, **fields
    )
    raw = orjson.dumps({"model": "asked", **body})
    native = common_pb2.Native(form="", body=raw, query=query)
    call = Call(channel, secret, "asked", model, bool(body.get("stream")), native=native, options=options)
    forms = getattr(ALL[number], kind)
    form = next(
        form for form in forms if form.name in ("openai.chat", "mistral.chat", "openai.embeddings", "jina.rerank")
    )
    return form.splice(native, call)


def body_of(request: VendorRequest) -> dict[str, Any]:
    """Its JSON."""
    found: dict[str, Any] = orjson.loads(request.body)
    return found


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.chat_form == "openai.chat" and row.chat], ids=lambda r: r.name
)
def test_usage_in_streams_is_asked_for_where_it_is_known(row: Any) -> None:
    out = body_of(sent(row.number, {"messages": [], "stream": True, "stream_options": {"include_usage": False}}))
    asked = out.get("stream_options") == {"include_usage": True}
    assert asked == row.stream_usage
    if row.number < 1000:
        assert asked == (row.number in STREAM_OPTIONS | RESELLERS)


@pytest.mark.parametrize(
    ("number", "model", "body", "expected"),
    [
        (1, "gpt-5", {"max_tokens": 5, "temperature": 1, "top_p": 1, "logprobs": True}, {"max_completion_tokens": 5}),
        (1, "gpt-5-chat-latest", {"temperature": 1}, {"temperature": 1}),
        (1, "o3-mini", {"max_tokens": 5, "temperature": 1, "top_p": 1}, {"max_completion_tokens": 5, "top_p": 1}),
        (1, "o4-mini-low", {}, {"model": "o4-mini", "reasoning_effort": "low"}),
        (1, "gpt-5-xhigh", {}, {"model": "gpt-5", "reasoning_effort": "xhigh"}),
        (1, "gpt-4o-high", {}, {"model": "gpt-4o-high"}),
        (20, "m-thinking", {}, {"model": "m", "reasoning": {"enabled": True}, "usage": {"include": True}}),
        (20, "m", {"reasoning_effort": "low"}, {"reasoning": {"enabled": True, "effort": "low"}}),
        (25, "kimi-k2.6", {"temperature": 0.3}, {"temperature": 1}),
        (25, "kimi-k2", {"temperature": 0.3}, {"temperature": 0.3}),
        (26, "glm", {"top_p": 1}, {"top_p": 0.99}),
        (27, "sonar", {"top_p": 1.0, "search_mode": "web", "unknown": 1}, {"top_p": 0.99, "search_mode": "web"}),
        (42, "mistral", {"user": "u", "seed": 1, "safe_prompt": True}, {"safe_prompt": True}),
        (43, "deepseek-v4-pro-none", {}, {"model": "deepseek-v4-pro", "thinking": {"type": "disabled"}}),
        (
            43,
            "deepseek-v4-pro-max",
            {},
            {"model": "deepseek-v4-pro", "thinking": {"type": "enabled"}, "reasoning_effort": "max"},
        ),
        (45, "deepseek-r1-thinking", {}, {"model": "deepseek-r1", "thinking": {"type": "enabled"}}),
        (46, "ernie-search", {}, {"model": "ernie", "web_search": {"enable": True}}),
        (48, "grok-4-search", {}, {"model": "grok-4", "search_parameters": {"mode": "on"}}),
        (48, "grok-3-mini-high", {}, {"model": "grok-3-mini", "reasoning_effort": "high"}),
        (48, "grok-4", {"stop": ["x"], "presence_penalty": 1, "seed": 1}, {"seed": 1}),
        (48, "grok-4-fast-non-reasoning", {"stop": ["x"]}, {"stop": ["x"]}),
    ],
)
def test_quirks(number: int, model: str, body: dict[str, Any], expected: dict[str, Any]) -> None:
    out = body_of(sent(number, {"messages": [], **body}, model))
    more = {"usage": {"include": True}} if number == 20 else {}
    assert out == {"model": model, "messages": [], **more, **expected}


def test_what_a_vendor_does_not_take_is_named() -> None:
    assert sent(27, {"messages": [], "n": 2, "logit_bias": {}}).dropped == ("logit_bias", "n")
    assert sent(48, {"messages": [], "stop": ["x"]}, "grok-4").dropped == ("stop",)
    assert sent(1, {"messages": [], "n": 2}).dropped == ()


def test_a_middle_to_be_filled_in_gets_a_message_at_siliconflow() -> None:
    out = body_of(sent(40, {"prefix": "def f(", "suffix": "return 1"}))
    assert out["messages"] == [{"role": "user", "content": ""}]
    said = [{"role": "user", "content": "Go on."}]
    assert body_of(sent(40, {"prefix": "a", "messages": said}))["messages"] == said
    assert "messages" not in body_of(sent(1, {"prefix": "a"}))


@pytest.mark.parametrize(
    ("number", "told", "expected"),
    [
        (26, {"mode": chat_pb2.REASONING_MODE_OFF}, {"thinking": {"type": "disabled"}}),
        (25, {"effort": chat_pb2.EFFORT_HIGH}, {"thinking": {"type": "enabled"}}),
        (43, {"effort": chat_pb2.EFFORT_HIGH}, {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        (45, {"effort": chat_pb2.EFFORT_NONE}, {"thinking": {"type": "disabled"}}),
        (17, {"budget_tokens": 500}, {"enable_thinking": True, "thinking_budget": 500}),
        (46, {"budget_tokens": 0}, {"enable_thinking": False}),
        (40, {"mode": chat_pb2.REASONING_MODE_ON}, {"enable_thinking": True}),
        (17, {}, {}),
        (19, {"effort": chat_pb2.EFFORT_LOW}, {"reasoning_effort": "low"}),
    ],
)
def test_thinking_has_a_switch_of_its_own(number: int, told: dict[str, Any], expected: dict[str, Any]) -> None:
    channel = Channel(
        id=1, type=number, name="c", keys=(), models=frozenset(), groups=frozenset(), priority=0, weight=0,
        base_url=ALL[number].base_url,
    )  # fmt: skip
    request = chat_pb2.ChatRequest(reasoning=chat_pb2.Reasoning(**told))
    request.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = "hi"
    out = orjson.loads(ALL[number].chat[0].encode(request, Call(channel, "k", "m", "m", False)).body)
    assert {key: value for key, value in out.items() if key not in ("model", "messages")} == expected


def test_a_form_of_plans_is_spoken_at_their_addresses_alone() -> None:
    volc = ALL[45]
    assert volc.serves("anthropic.messages", "doubao", "doubao-coding-plan")
    assert not volc.serves("anthropic.messages", "doubao", volc.base_url)
    form = next(form for form in volc.chat if form.name == "anthropic.messages")
    native = common_pb2.Native(form=form.name, body=b'{"model":"m","messages":[]}')
    channel = Channel(
        id=1, type=45, name="c", keys=(), models=frozenset(), groups=frozenset(), priority=0, weight=0,
        base_url="doubao-coding-plan",
    )  # fmt: skip
    made = form.splice(native, Call(channel, "k", "m", "m", False, native=native))
    assert made.url == "https://ark.cn-beijing.volces.com/api/coding/v1/messages"


@pytest.mark.parametrize(
    ("number", "kind", "fields", "address"),
    [
        (1, "chat", {}, "https://api.openai.com/v1/chat/completions"),
        (
            1,
            "chat",
            {"base_url": "https://gateway.ai.cloudflare.com/v1/a/g/openai"},
            "https://gateway.ai.cloudflare.com/v1/a/g/openai/chat/completions",
        ),
        (3, "chat", {"base_url": "https://r.openai.azure.com"}, "https://r.openai.azure.com/openai/deployments/m/chat/completions?api-version=2025-04-01-preview"),
        (3, "chat", {"base_url": "https://r.openai.azure.com", "other": "2024-10-21"}, "https://r.openai.azure.com/openai/deployments/m/chat/completions?api-version=2024-10-21"),
        (
            3,
            "embedding",
            {"base_url": "https://r.openai.azure.com", "other": "2024-10-21", "query": "api-version=2025-01-01&a=b"},
            "https://r.openai.azure.com/openai/deployments/m/embeddings?api-version=2025-01-01&a=b",
        ),
        (3, "chat", {"base_url": "https://r.openai.azure.com/openai/v1"}, "https://r.openai.azure.com/openai/v1/chat/completions"),
        (3, "chat", {"base_url": "https://r.openai.azure.com/openai/v1", "other": "preview"}, "https://r.openai.azure.com/openai/v1/chat/completions?api-version=preview"),
        (3, "embedding", {"base_url": "https://r.openai.azure.com", "other": "v1"}, "https://r.openai.azure.com/openai/v1/embeddings?api-version=v1"),
        (
            3,
            "chat",
            {"base_url": "https://gateway.ai.cloudflare.com/v1/a/g/azure-openai/r", "other": "2024-10-21"},
            "https://gateway.ai.cloudflare.com/v1/a/g/azure-openai/r/m/chat/completions?api-version=2024-10-21",
        ),
        (8, "chat", {"base_url": "https://x.example.com/api/{model}/chat"}, "https://x.example.com/api/m/chat"),
        (17, "chat", {}, "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions"),
        (26, "chat", {"base_url": "glm-coding-plan"}, "https://open.bigmodel.cn/api/coding/paas/v4/chat/completions"),
        (25, "chat", {"base_url": "kimi-coding-plan"}, "https://api.kimi.com/coding/v1/chat/completions"),
        (27, "chat", {}, "https://api.perplexity.ai/chat/completions"),
        (34, "rerank", {}, "https://api.cohere.ai/v1/rerank"),
        (35, "chat", {}, "https://api.minimax.chat/v1/text/chatcompletion_v2"),
        (39, "chat", {"other": "acc"}, "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1/chat/completions"),
        (44, "embedding", {}, "https://api.moka.ai/embeddings"),
        (46, "rerank", {}, "https://qianfan.baidubce.com/v2/rerank"),
        (1001, "chat", {}, "https://api.groq.com/openai/v1/chat/completions"),
        (1008, "chat", {}, "https://models.github.ai/inference/chat/completions"),
        (1010, "chat", {}, "https://api.deepinfra.com/v1/openai/chat/completions"),
        (1018, "chat", {"base_url": "https://dbc.example.com"}, "https://dbc.example.com/serving-endpoints/m/invocations"),
    ],
)  # fmt: skip
def test_addresses(number: int, kind: str, fields: dict[str, str], address: str) -> None:
    body = {"chat": {"messages": []}, "embedding": {"input": "x"}, "rerank": {"query": "q", "documents": []}}[kind]
    assert sent(number, body, kind=kind, **fields).url == address


def test_bots_of_volcengine_have_a_path_of_their_own() -> None:
    assert sent(45, {"messages": []}, "bot-1").url.endswith("/api/v3/bots/chat/completions")


def test_credentials_and_headers_by_vendor() -> None:
    def headers(number: int, stream: bool = False, **more: Any) -> dict[str, str]:
        return dict(sent(number, {"messages": [], "stream": stream}, **more).headers)

    assert headers(1)["Authorization"] == "Bearer key-1234567"
    assert headers(1, organization="org-1")["OpenAI-Organization"] == "org-1"
    azure = headers(3)
    assert azure["api-key"] == "key-1234567"
    assert "Authorization" not in azure
    baidu = headers(46, secret="token|app")
    assert (baidu["Authorization"], baidu["appid"]) == ("Bearer token", "app")
    assert "Authorization" not in headers(4, secret="")
    assert "Authorization" not in headers(1014, secret="")
    assert headers(17, stream=True)["X-DashScope-SSE"] == "enable"
    assert "X-DashScope-SSE" not in headers(17)
    assert headers(17, other="plug")["X-DashScope-Plugin"] == "plug"
    assert headers(20)["X-OpenRouter-Title"] == "Isthmus"
    assert "HTTP-Referer" not in headers(20)
    assert headers(20, options={"ServerAddress": "https://me.example.com"})["HTTP-Referer"] == "https://me.example.com"
    with pytest.raises(ChannelError):
        headers(1, secret="key\r\nX-Evil: 1")


def test_voyage_and_jina_have_names_of_their_own() -> None:
    body = {"input": ["a"], "dimensions": 256, "encoding_format": "float"}
    out = body_of(sent(1022, body, kind="embedding"))
    assert out == {"model": "m", "input": ["a"], "output_dimension": 256}
    out = body_of(sent(1022, {"query": "q", "documents": ["a"], "top_n": 1}, kind="rerank"))
    assert out == {"model": "m", "query": "q", "documents": ["a"], "top_k": 1}
    out = body_of(sent(38, {"input": ["a"], "encoding_format": "float"}, kind="embedding"))
    assert out == {"model": "m", "input": ["a"]}


def test_what_channels_must_allow_first() -> None:
    told = {"service_tier": "flex", "safety_identifier": "s", "speed": "fast", "inference_geo": "eu", "store": True}
    assert body_of(sent(1, {"messages": [], **told})) == {"model": "m", "messages": [], "store": True}
    allowed = {f"allow_{name}": True for name in told}
    assert body_of(sent(1, {"messages": [], **told}, settings=allowed)) == {"model": "m", "messages": [], **told}
    out = body_of(sent(1, {"messages": [], "store": True}, settings={"disable_store": True}))
    assert out == {"model": "m", "messages": []}


@pytest.mark.parametrize(("created", "name"), [(0, "gpt-4.1"), (1746835199, "gpt-41"), (1746835200, "gpt-4.1")])
def test_azure_deployments_lose_their_dots_in_channels_made_before_10_may_2025(created: int, name: str) -> None:
    request = sent(3, {"messages": []}, "gpt-4.1", base_url="https://r.openai.azure.com", created=created)
    assert f"/deployments/{name}/chat/completions" in request.url
    assert body_of(request)["model"] == "gpt-4.1"


def test_channels_know_when_they_were_made() -> None:
    row = models.Channel(type=3, name="c", key="k", base_url="https://r.openai.azure.com", created_time=1746835199)
    assert channel_of(row).created == 1746835199


def test_azure_lists_models_at_the_v1_api_where_the_base_is_it() -> None:
    def listed(base: str) -> str:
        channel = Channel(
            id=1, type=3, name="c", keys=(), base_url=base, models=frozenset(), groups=frozenset(), priority=0, weight=0
        )
        return listing(Call(channel, "key-1234567", "", "", False)).url

    assert listed("https://r.openai.azure.com/openai/v1") == "https://r.openai.azure.com/openai/v1/models"
    assert listed("https://r.openai.azure.com").startswith("https://r.openai.azure.com/openai/models?api-version=20")
