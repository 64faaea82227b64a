"""The vendors as data: one row each, with New API's type numbers (ours from 1000 on).

Facts are from the vendors' public API references. A base address has no /v1; the
paths do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

V1_CHAT = "/v1/chat/completions"
V1_RESPONSES = "/v1/responses"
V1_COMPLETIONS = "/v1/completions"
V1_EMBED = "/v1/embeddings"
V1_RERANK = "/v1/rerank"
V1_MODERATE = "/v1/moderations"
V2_CHAT = "/v2/chat"
V2_RERANK = "/v2/rerank"
V1_MESSAGES = "/v1/messages"


@dataclass(frozen=True, slots=True)
class Row:
    """A vendor. Paths may hold {model}, {other} (the channel's field) and {version} (Azure's API version).

    An empty path means that the vendor does not do the operation.
    """

    number: int
    name: str
    owner: str
    base: str
    chat: str = V1_CHAT
    embedding: str = ""
    rerank: str = ""
    rerank_v2: str = ""
    """Cohere's second version."""
    moderation: str = ""
    responses: str = ""
    """Where the vendor speaks OpenAI's Responses form beside chat; by the vendors' references."""
    compact: bool = False
    """It compacts conversations of that form, at its path with /compact behind it."""
    agent: str = ""
    """A platform for agents with an API of its own: dify, coze."""
    cohere_chat: str = ""
    """Cohere's own chat form."""
    cohere_embed: str = ""
    """Cohere's own embed form."""
    ollama: str = ""
    """Whether it speaks Ollama's forms: first, for clients of others, or last."""
    completions: str = ""
    """OpenAI's legacy completions."""
    completions_models: tuple[str, ...] = ()
    """Pieces of the names of the models that have them; empty: all."""
    messages: str = ""
    """Anthropic's Messages form."""
    messages_auth: str = "bearer"
    """bearer, x-api-key (Anthropic, and servers that need no key)."""
    messages_models: tuple[str, ...] = ()
    """Pieces of the names of the models that are served in that form; empty: all."""
    gemini: bool = False
    """Whether it speaks Gemini's forms, whose addresses are made of version, model and method."""
    messages_plans: bool = False
    """That form is spoken at the addresses of the vendor's plans only (MESSAGE_PLANS)."""
    chat_form: str = "openai.chat"
    """Another name means: never relayed bytewise, because the vendor refuses some of it or has words of its own."""
    auth: str = "bearer"
    """bearer, api-key (Azure), bearer-optional (local servers), baidu (token|appid), none (row.authorise)."""
    stream_usage: bool = True
    """Whether stream_options.include_usage is known; else it is removed."""
    token_families: bool = False
    """o1, o3, o4, gpt-5: max_completion_tokens, no sampling."""
    effort_suffix: bool = False
    """-low, -high ... at the end of those families' names mean reasoning_effort."""
    suffixes: str = ""
    """Other suffix rules: deepseek, xai, baidu, openrouter, volc."""
    clamp_top_p: bool = False
    """top_p must be below 1: 0.99 goes out instead."""
    fixed_temperature: tuple[str, ...] = ()
    """Models (prefixes) that accept no temperature but 1."""
    drops: tuple[str, ...] = ()
    """Members the vendor refuses."""
    allows: frozenset[str] = frozenset()
    """Where set, the only members that go out."""
    thinking: str = ""
    """How thinking is turned on and off: "object" thinking {type}, "effort" the same with reasoning_effort beside it,
    "flag" enable_thinking and thinking_budget; empty: by reasoning_effort alone."""
    fill_in_middle: bool = False
    """prefix or suffix without messages goes out with an empty user message (SiliconFlow)."""
    reasoning_field: str = ""
    """What an assistant message's thoughts are called when they go back; empty: they do not."""
    plain_image_url: bool = False
    """image_url is the address itself, not an object (Mistral)."""
    cache_key: bool = False
    """prompt_cache_key is known: it is made of the client's session where the client says none."""
    session_header: str = ""
    """Which header keeps a conversation at the machine that has its prompt cached."""
    media_bytes: bool = False
    """Pictures are taken as data alone, by no address (Moonshot, Ollama)."""
    short_call_ids: bool = False
    """Tool call ids are nine letters or digits (Mistral)."""
    developer_role: bool = False
    """Knows the role "developer"."""
    max_tokens_name: str = "max_tokens"
    """What the limit on output tokens is called in encoded requests."""
    headers: tuple[tuple[str, str], ...] = ()
    """Beside the usual ones; {other} is the channel's field, {server} the option ServerAddress; empty ones are left
    out."""
    stream_headers: tuple[tuple[str, str], ...] = ()
    """On streams only."""
    renames: tuple[tuple[str, str], ...] = ()
    """Members of embedding and rerank requests that the vendor calls otherwise."""
    embedding_form: str = "openai.embeddings"
    """Or a form of the vendor's own."""
    rerank_form: str = "jina.rerank"
    """Or a form of the vendor's own."""
    cloud: str = ""
    """Houses that serve others' forms at addresses of their own: bedrock, vertex."""
    split: tuple[tuple[str, str], ...] = ()
    """Where each model is served in one form: pieces of names (patterns) and the form; the first that is found."""
    authorise: str = ""
    """What puts credentials on a request that is ready (core/authorise): aws, baidu, google, tencent, xunfei, zhipu."""
    bots: str = ""
    """A path for models named bot* (VolcEngine)."""
    unavailable: str = ""


_PERPLEXITY = frozenset(
    [
        "model",
        "messages",
        "stream",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "top_k",
        "frequency_penalty",
        "presence_penalty",
        "response_format",
        "search_mode",
        "search_domain_filter",
        "search_recency_filter",
        "search_context_size",
        "search_after_date_filter",
        "search_before_date_filter",
        "last_updated_after_filter",
        "last_updated_before_filter",
        "return_images",
        "return_related_questions",
        "return_citations",
        "web_search_options",
        "reasoning_effort",
        "disable_search",
        "enable_search_classifier",
        "media_response",
        "search_language_filter",
        "stop",
        "stream_mode",
        "tools",
        "tool_choice",
    ]
)
_MISTRAL = frozenset(
    [
        "model",
        "messages",
        "stream",
        "max_tokens",
        "temperature",
        "top_p",
        "stop",
        "random_seed",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "presence_penalty",
        "frequency_penalty",
        "n",
        "prediction",
        "prompt_mode",
        "reasoning_effort",
        "metadata",
        "safe_prompt",
    ]
)


_VERTEX = (
    ("gemini-embedding-[2-9]", "vertex.embed"), ("embed", "vertex.predict"), ("claude", "anthropic.messages"),
    ("/|-maas|llama|gpt-oss", "openai.chat"), ("", "gemini.generate"),
)  # fmt: skip
"""cloud.google.com/vertex-ai/generative-ai/docs: which of its addresses serves a model."""
_OPENAI_COMPLETIONS = ("instruct", "davinci", "babbage", "curie")
"""OpenAI's models that complete; its others answer there that they only chat."""


def _gone(number: int, name: str, owner: str, base: str, why: str) -> Row:
    return Row(number, name, owner, base, chat="", unavailable=why)


def _no_adaptor(number: int, name: str, owner: str, base: str, form: str) -> Row:
    return _gone(number, name, owner, base, f"{name} channels speak {form}, for which this version has no adaptor.")


def _local(number: int, name: str, base: str, rerank: str = "") -> Row:
    """A server on the operator's own machine: no key needed, the old name of the limit."""
    return Row(
        number, name, "custom", base, embedding=V1_EMBED, rerank=rerank, auth="bearer-optional",
        responses=V1_RESPONSES, completions=V1_COMPLETIONS, reasoning_field="reasoning_content",
    )  # fmt: skip


def _oai(
    number: int,
    name: str,
    owner: str,
    base: str,
    embedding: str = V1_EMBED,
    responses: str = "",
    completions: str = "",
) -> Row:
    """A host with the paths under /v1 and nothing of its own."""
    return Row(number, name, owner, base, embedding=embedding, responses=responses, completions=completions)


def _openai_like(number: int, name: str, base: str) -> Row:
    """A reseller of OpenAI's models, under OpenAI's rules."""
    return Row(
        number, name, "openai", base, embedding=V1_EMBED, responses=V1_RESPONSES, token_families=True,
        completions=V1_COMPLETIONS, completions_models=_OPENAI_COMPLETIONS, effort_suffix=True,
        moderation=V1_MODERATE,
        developer_role=True, max_tokens_name="max_completion_tokens",
    )  # fmt: skip


_TASKS = "its own task interface"

ROWS: tuple[Row, ...] = (
    replace(_openai_like(1, "OpenAI", "https://api.openai.com"), compact=True, cache_key=True),
    _no_adaptor(2, "Midjourney", "midjourney", "https://oa.api2d.net", _TASKS),
    Row(
        3, "Azure", "openai", "",
        chat="/openai/deployments/{model}/chat/completions?api-version={version}",
        embedding="/openai/deployments/{model}/embeddings?api-version={version}",
        responses="/openai/v1/responses?api-version=preview", compact=True, cache_key=True,
        completions="/openai/deployments/{model}/completions?api-version={version}",
        completions_models=_OPENAI_COMPLETIONS,
        auth="api-key", token_families=True, effort_suffix=True, developer_role=True,
        max_tokens_name="max_completion_tokens",
    ),
    Row(
        4, "Ollama", "ollama", "http://localhost:11434", embedding=V1_EMBED, auth="bearer-optional", media_bytes=True,
        ollama="first", completions=V1_COMPLETIONS,
        reasoning_field="reasoning",
    ),
    _no_adaptor(5, "MidjourneyPlus", "midjourney", "https://api.openai-sb.com", _TASKS),
    _openai_like(6, "OpenAIMax", "https://api.openaimax.com"),
    _openai_like(7, "OhMyGPT", "https://api.ohmygpt.com"),
    Row(8, "Custom", "custom", "", chat="{base}", stream_usage=False),
    _openai_like(9, "AILS", "https://api.caipacity.com"),
    _openai_like(10, "AIProxy", "https://api.aiproxy.io"),
    _gone(11, "PaLM", "google", "", "PaLM was retired by its vendor; use a Gemini channel."),
    _openai_like(12, "API2GPT", "https://api.api2gpt.com"),
    _openai_like(13, "AIGC2D", "https://api.aigc2d.com"),
    Row(
        14, "Anthropic", "anthropic", "https://api.anthropic.com", chat="", messages=V1_MESSAGES,
        messages_auth="x-api-key",
    ),
    Row(
        15, "Baidu", "baidu", "https://aip.baidubce.com", chat_form="baidu.chat", embedding=V1_EMBED,
        embedding_form="baidu.embeddings", auth="none", authorise="baidu",
    ),
    Row(16, "Zhipu", "zhipu", "https://open.bigmodel.cn", chat_form="zhipu.chat", auth="none", authorise="zhipu"),
    Row(
        17, "Ali", "ali", "https://dashscope.aliyuncs.com", chat="/compatible-mode/v1/chat/completions",
        embedding="/compatible-mode/v1/embeddings", responses="/api/v2/apps/protocols/compatible-mode/v1/responses",
        rerank="/api/v1/services/rerank/text-rerank/text-rerank", rerank_form="ali.rerank",
        completions="/compatible-mode/v1/completions",
        reasoning_field="reasoning_content", thinking="flag",
        messages="/apps/anthropic/v1/messages",
        messages_models=("qwen", "deepseek-v4", "kimi", "glm", "minimax-m"),
        headers=(("X-DashScope-Plugin", "{other}"),), stream_headers=(("X-DashScope-SSE", "enable"),),
    ),
    Row(18, "Xunfei", "xunfei", "wss://spark-api.xf-yun.com", chat_form="xunfei.chat", auth="none", authorise="xunfei"),
    Row(19, "360", "360", "https://api.360.cn", embedding=V1_EMBED, stream_usage=False),
    Row(
        20, "OpenRouter", "openrouter", "https://openrouter.ai/api", embedding=V1_EMBED, responses=V1_RESPONSES,
        completions=V1_COMPLETIONS,
        suffixes="openrouter", reasoning_field="reasoning", messages=V1_MESSAGES, stream_usage=False,
        headers=(("HTTP-Referer", "{server}"), ("X-OpenRouter-Title", "Isthmus")),
    ),
    _gone(21, "AIProxyLibrary", "custom", "https://api.aiproxy.io", "AIProxyLibrary is no longer served."),
    Row(22, "FastGPT", "custom", "https://fastgpt.run/api/openapi", stream_usage=False),
    Row(
        23, "Tencent", "tencent", "https://hunyuan.tencentcloudapi.com", chat_form="tencent.chat", auth="none",
        authorise="tencent", thinking="flag", reasoning_field="reasoning_content",
    ),
    Row(24, "Gemini", "google", "https://generativelanguage.googleapis.com", chat="", gemini=True),
    Row(
        25, "Moonshot", "moonshot", "https://api.moonshot.cn", embedding=V1_EMBED, rerank=V1_RERANK, media_bytes=True,
        completions=V1_COMPLETIONS, fixed_temperature=("kimi-k2.6",), reasoning_field="reasoning_content",
        thinking="object",
        messages="/anthropic/v1/messages",
    ),
    Row(
        26, "ZhipuV4", "zhipu", "https://open.bigmodel.cn", chat="/api/paas/v4/chat/completions",
        embedding="/api/paas/v4/embeddings", clamp_top_p=True, reasoning_field="reasoning_content", thinking="object",
        messages="/api/anthropic/v1/messages",
    ),
    Row(
        27, "Perplexity", "perplexity", "https://api.perplexity.ai", chat="/chat/completions",
        responses=V1_RESPONSES, stream_usage=False, clamp_top_p=True, allows=_PERPLEXITY,
    ),
    Row(31, "LingYiWanWu", "lingyiwanwu", "https://api.lingyiwanwu.com", stream_usage=False),
    Row(
        33, "AWS", "anthropic", "https://bedrock-runtime.{region}.amazonaws.com", chat="", cloud="bedrock",
        split=(("anthropic|claude", "anthropic.messages"), ("", "bedrock.converse")), authorise="aws",
    ),
    Row(
        34, "Cohere", "cohere", "https://api.cohere.ai", chat="", cohere_chat=V2_CHAT, cohere_embed="/v2/embed",
        embedding="/compatibility/v1/embeddings", rerank=V1_RERANK, rerank_v2=V2_RERANK,
    ),
    Row(
        35, "MiniMax", "minimax", "https://api.minimax.chat", chat="/v1/text/chatcompletion_v2",
        messages="/anthropic/v1/messages", reasoning_field="reasoning_content",
    ),
    _no_adaptor(36, "SunoAPI", "suno", "", _TASKS),
    Row(37, "Dify", "dify", "https://api.dify.ai", chat="", agent="dify"),
    Row(
        38, "Jina", "jina", "https://api.jina.ai", chat="", embedding=V1_EMBED, rerank=V1_RERANK,
        drops=("encoding_format",),
    ),
    Row(
        39, "Cloudflare", "cloudflare", "https://api.cloudflare.com",
        chat="/client/v4/accounts/{other}/ai/v1/chat/completions",
        embedding="/client/v4/accounts/{other}/ai/v1/embeddings",
        responses="/client/v4/accounts/{other}/ai/v1/responses",
    ),
    Row(
        40, "SiliconFlow", "siliconflow", "https://api.siliconflow.cn", embedding=V1_EMBED, rerank=V1_RERANK,
        completions=V1_COMPLETIONS, reasoning_field="reasoning_content", thinking="flag", fill_in_middle=True,
    ),
    Row(
        41, "VertexAI", "google", "https://{region}-aiplatform.googleapis.com", chat="", cloud="vertex",
        split=_VERTEX, authorise="google", reasoning_field="reasoning_content",
    ),
    Row(
        42, "Mistral", "mistral", "https://api.mistral.ai", embedding=V1_EMBED, chat_form="mistral.chat",
        stream_usage=False, allows=_MISTRAL, plain_image_url=True, short_call_ids=True,
    ),
    Row(
        43, "DeepSeek", "deepseek", "https://api.deepseek.com", suffixes="deepseek", thinking="effort",
        reasoning_field="reasoning_content", messages="/anthropic/v1/messages", completions="/beta/completions",
    ),
    Row(44, "MokaAI", "moka", "https://api.moka.ai", chat="", embedding="/embeddings"),
    Row(
        45, "VolcEngine", "volcengine", "https://ark.cn-beijing.volces.com", chat="/api/v3/chat/completions",
        embedding="/api/v3/embeddings", rerank="/api/v3/rerank", responses="/api/v3/responses",
        bots="/api/v3/bots/chat/completions",
        suffixes="volc", reasoning_field="reasoning_content", thinking="effort",
        messages=V1_MESSAGES, messages_plans=True,
    ),
    Row(
        46, "BaiduV2", "baidu", "https://qianfan.baidubce.com", chat="/v2/chat/completions",
        embedding="/v2/embeddings", rerank="/v2/rerank", auth="baidu", suffixes="baidu",
        reasoning_field="reasoning_content", thinking="flag",
    ),
    Row(
        47, "Xinference", "xinference", "", embedding=V1_EMBED, rerank=V1_RERANK, auth="bearer-optional",
        stream_usage=False,
    ),
    Row(
        48, "xAI", "xai", "https://api.x.ai", responses=V1_RESPONSES, suffixes="xai", session_header="x-grok-conv-id",
        max_tokens_name="max_completion_tokens", reasoning_field="reasoning_content",
    ),
    Row(49, "Coze", "coze", "https://api.coze.cn", chat="", agent="coze"),
    _no_adaptor(50, "Kling", "kling", "https://api.klingai.com", _TASKS),
    _no_adaptor(51, "Jimeng", "jimeng", "https://visual.volcengineapi.com", _TASKS),
    _no_adaptor(52, "Vidu", "vidu", "https://api.vidu.cn", _TASKS),
    _oai(53, "Submodel", "submodel", "https://llm.submodel.ai", ""),
    _no_adaptor(54, "DoubaoVideo", "volcengine", "https://ark.cn-beijing.volces.com", _TASKS),
    _no_adaptor(55, "Sora", "openai", "https://api.openai.com", _TASKS),
    _no_adaptor(56, "Replicate", "replicate", "https://api.replicate.com", "Replicate's predictions"),
    _gone(57, "Codex", "openai", "https://chatgpt.com", "Codex subscriptions are for persons, not gateways."),
    _no_adaptor(58, "AdvancedCustom", "custom", "", "routes of its own"),
    Row(
        1000, "Sandbox", "sandbox", "http://127.0.0.1:3100", embedding=V1_EMBED, rerank=V1_RERANK,
        moderation=V1_MODERATE, rerank_v2=V2_RERANK, cohere_chat=V2_CHAT, cohere_embed="/v2/embed",
        ollama="last",
        responses=V1_RESPONSES, completions=V1_COMPLETIONS, auth="bearer-optional", reasoning_field="reasoning_content",
        messages=V1_MESSAGES, messages_auth="x-api-key", gemini=True,
    ),
    _oai(1001, "Groq", "groq", "https://api.groq.com/openai", "", V1_RESPONSES),
    Row(
        1002, "Together", "together", "https://api.together.xyz", embedding=V1_EMBED, rerank=V1_RERANK,
        completions=V1_COMPLETIONS,
    ),
    replace(
        _oai(
            1003, "Fireworks", "fireworks", "https://api.fireworks.ai/inference", responses=V1_RESPONSES,
            completions=V1_COMPLETIONS,
        ),
        cache_key=True, session_header="x-session-affinity",
    ),
    _oai(1004, "Cerebras", "cerebras", "https://api.cerebras.ai", "", completions=V1_COMPLETIONS),
    _oai(1005, "SambaNova", "sambanova", "https://api.sambanova.ai"),
    _oai(1006, "NVIDIA NIM", "nvidia", "https://integrate.api.nvidia.com"),
    _oai(1007, "Hugging Face", "huggingface", "https://router.huggingface.co", "", V1_RESPONSES),
    Row(
        1008, "GitHub Models", "github", "https://models.github.ai", chat="/inference/chat/completions",
        embedding="/inference/embeddings", token_families=True,
    ),
    _oai(1009, "Vercel AI Gateway", "vercel", "https://ai-gateway.vercel.sh", responses=V1_RESPONSES),
    Row(
        1010, "DeepInfra", "deepinfra", "https://api.deepinfra.com", chat="/v1/openai/chat/completions",
        embedding="/v1/openai/embeddings", completions="/v1/openai/completions",
    ),
    _oai(1011, "Hyperbolic", "hyperbolic", "https://api.hyperbolic.xyz", "", completions=V1_COMPLETIONS),
    Row(
        1012, "Novita", "novita", "https://api.novita.ai", chat="/openai/v1/chat/completions",
        embedding="/openai/v1/embeddings", rerank="/openai/v1/rerank", completions="/openai/v1/completions",
    ),
    _oai(1013, "Nebius", "nebius", "https://api.studio.nebius.com", completions=V1_COMPLETIONS),
    _local(1014, "vLLM", "http://localhost:8000", V1_RERANK),
    _local(1015, "SGLang", "http://localhost:30000", V1_RERANK),
    _local(1016, "LM Studio", "http://localhost:1234"),
    _local(1017, "llama.cpp", "http://localhost:8080", V1_RERANK),
    Row(
        1018, "Databricks", "databricks", "", chat="/serving-endpoints/{model}/invocations",
        embedding="/serving-endpoints/{model}/invocations",
    ),
    _oai(1019, "StepFun", "stepfun", "https://api.stepfun.com", ""),
    _oai(1020, "Baichuan", "baichuan", "https://api.baichuan-ai.com"),
    _oai(1021, "Hunyuan", "tencent", "https://api.hunyuan.cloud.tencent.com"),
    Row(
        1022, "Voyage", "voyage", "https://api.voyageai.com", chat="", embedding=V1_EMBED, rerank=V1_RERANK,
        drops=("encoding_format", "user"), renames=(("dimensions", "output_dimension"), ("top_n", "top_k")),
    ),
)  # fmt: skip
"""All rows, by number."""

PLANS = {
    "glm-coding-plan": "https://open.bigmodel.cn/api/coding/paas/v4",
    "glm-coding-plan-international": "https://api.z.ai/api/coding/paas/v4",
    "kimi-coding-plan": "https://api.kimi.com/coding/v1",
    "doubao-coding-plan": "https://ark.cn-beijing.volces.com/api/coding/v3",
}
"""Plans written as the base address (types 25, 26, 45): where chat lives, less /chat/completions."""
MESSAGE_PLANS = {
    "glm-coding-plan": "https://open.bigmodel.cn/api/anthropic",
    "glm-coding-plan-international": "https://api.z.ai/api/anthropic",
    "kimi-coding-plan": "https://api.kimi.com/coding",
    "doubao-coding-plan": "https://ark.cn-beijing.volces.com/api/coding",
}
"""The same plans in the Messages form: what stands before /v1/messages."""
