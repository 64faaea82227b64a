"""Which vendor a channel's type number means."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from core.vendors.agents.coze import CozeChat
from core.vendors.agents.dify import DifyChat
from core.vendors.ali.rerank import AliRerank
from core.vendors.anthropic.messages import AnthropicMessages
from core.vendors.baidu.chat import BaiduChat
from core.vendors.baidu.embeddings import BaiduEmbeddings
from core.vendors.bedrock.claude import BedrockClaude
from core.vendors.bedrock.converse import BedrockConverse
from core.vendors.cohere.chat import CohereChat
from core.vendors.cohere.embed import CohereEmbed
from core.vendors.cohere.rerank import CohereRerank
from core.vendors.gemini.chat import GeminiChat
from core.vendors.gemini.embed import GeminiEmbed
from core.vendors.interface import ChatForm, EmbeddingForm, RerankForm, Vendor
from core.vendors.jina.rerank import JinaRerank
from core.vendors.ollama.chat import OllamaChat, OllamaGenerate
from core.vendors.ollama.embed import OllamaEmbed
from core.vendors.openai.chat import OpenAIChat
from core.vendors.openai.completions import OpenAICompletions
from core.vendors.openai.embeddings import OpenAIEmbeddings
from core.vendors.openai.moderations import OpenAIModerations
from core.vendors.responses.form import OpenAIResponses
from core.vendors.table import MESSAGE_PLANS, ROWS, Row
from core.vendors.tencent.chat import TencentChat
from core.vendors.vertex.claude import VertexClaude
from core.vendors.vertex.embed import VertexEmbed, VertexPredict
from core.vendors.vertex.gemini import VertexGemini
from core.vendors.vertex.open import VertexOpen
from core.vendors.xunfei.chat import XunfeiChat
from core.vendors.zhipu.chat import ZhipuChat

SANDBOX = 1000
"""The vendor that is part of this house, for tests and trials."""


_CHAT: Mapping[str, Callable[[Row], ChatForm]] = {
    "openai.chat": OpenAIChat,
    "mistral.chat": OpenAIChat,
    "baidu.chat": BaiduChat,
    "tencent.chat": TencentChat,
    "xunfei.chat": XunfeiChat,
    "zhipu.chat": ZhipuChat,
}
"""Chat forms by their names in the table."""
_EMBEDDING: Mapping[str, Callable[[Row], EmbeddingForm]] = {
    "openai.embeddings": OpenAIEmbeddings,
    "baidu.embeddings": BaiduEmbeddings,
}
"""Embedding forms by their names in the table."""
_RERANK: Mapping[str, Callable[[Row], RerankForm]] = {"jina.rerank": JinaRerank, "ali.rerank": AliRerank}
"""Rerank forms by their names in the table."""


_AGENTS: Mapping[str, Callable[[Row], ChatForm]] = {"dify": DifyChat, "coze": CozeChat}
"""Chat forms of platforms for agents."""


def _vendor(row: Row) -> Vendor:
    """The row with its code."""
    chat: tuple[ChatForm, ...] = (_CHAT[row.chat_form](row),) if row.chat else ()
    embedding: tuple[EmbeddingForm, ...] = (_EMBEDDING[row.embedding_form](row),) if row.embedding else ()
    if row.responses:
        chat = (*chat, OpenAIResponses(row))
    limited: dict[str, tuple[str, ...]] = {}
    placed: dict[str, frozenset[str]] = {}
    if row.agent:
        chat = (*chat, _AGENTS[row.agent](row))
    if row.cohere_chat:
        chat = (*chat, CohereChat(row))
    if row.cohere_embed:
        # First where nothing else chats: it knows what vectors are for, which OpenAI's form does not.
        vectors_of = (CohereEmbed(row),)
        embedding = (*embedding, *vectors_of) if row.chat else (*vectors_of, *embedding)
    if row.completions:
        chat = (*chat, OpenAICompletions(row))
        if row.completions_models:
            limited[OpenAICompletions.name] = row.completions_models
    if row.messages:
        chat = (*chat, AnthropicMessages(row))
        if row.messages_models:
            limited[AnthropicMessages.name] = row.messages_models
        if row.messages_plans:
            placed[AnthropicMessages.name] = frozenset(MESSAGE_PLANS)
    if row.cloud == "bedrock":
        chat = (*chat, BedrockClaude(row), BedrockConverse(row))
    if row.cloud == "vertex":
        chat = (*chat, VertexGemini(row), VertexClaude(row), VertexOpen(row))
        embedding = (*embedding, VertexPredict(row), VertexEmbed(row))
    if row.gemini:
        chat = (*chat, GeminiChat(row))
        embedding = (*embedding, GeminiEmbed(row))
    if row.ollama:
        own: tuple[ChatForm, ...] = (OllamaChat(row), OllamaGenerate(row))
        chat = (*own, *chat) if row.ollama == "first" else (*chat, *own)
        vectors = (OllamaEmbed(row),)
        embedding = (*vectors, *embedding) if row.ollama == "first" else (*embedding, *vectors)
    rerank: tuple[RerankForm, ...] = (_RERANK[row.rerank_form](row),) if row.rerank else ()
    if row.rerank_v2:
        rerank = (*rerank, CohereRerank(row))
    return Vendor(
        number=row.number,
        name=row.name,
        owner=row.owner,
        base_url=row.base,
        chat=chat,
        embedding=embedding,
        rerank=rerank,
        moderation=(OpenAIModerations(row),) if row.moderation else (),
        limited=limited,
        placed=placed,
        split=row.split,
        authorise=row.authorise,
        unavailable=row.unavailable,
    )


ALL: Mapping[int, Vendor] = {row.number: _vendor(row) for row in ROWS}
"""Every vendor by its number."""


def vendor(number: int) -> Vendor | None:
    """The vendor of a channel type; None for numbers nobody has."""
    return ALL.get(number)
