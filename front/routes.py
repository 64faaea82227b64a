"""Which path speaks which dialect."""

from __future__ import annotations

from sanic import Request

from front.dialects.anthropic.dialect import AnthropicChat, AnthropicErrors, AnthropicModels
from front.dialects.cohere.chat import CohereChat
from front.dialects.cohere.embed import CohereEmbed
from front.dialects.gemini.dialect import GeminiChat, GeminiCount, GeminiEmbeddings, GeminiErrors, GeminiModels
from front.dialects.interface import ErrorForm, ModelsDialect
from front.dialects.ollama.dialect import VERSION, OllamaChat, OllamaEmbed, OllamaEmbeddings, OllamaModels
from front.dialects.openai.completions import OpenAICompletions
from front.dialects.openai.dialect import EngineEmbeddings, OpenAIChat, OpenAIEmbeddings, OpenAIErrors, OpenAIModels
from front.dialects.openai.edits import OpenAIEdits
from front.dialects.openai.moderations import OpenAIModerations
from front.dialects.rerank import CohereRerank, JinaRerank
from front.dialects.responses.dialect import OpenAIResponses
from front.kept import KeptResponses
from front.methods import Methods
from front.relay import Handler, Relay

OPENAI_ERRORS = OpenAIErrors()
OPENAI_MODELS = OpenAIModels()
GEMINI_ERRORS = GeminiErrors()
GEMINI_MODELS = GeminiModels()
COHERE = CohereChat()
OLLAMA = OllamaModels()
ANTHROPIC_ERRORS = AnthropicErrors()
ANTHROPIC_MODELS = AnthropicModels()


def relay_routes(relay: Relay, kept: KeptResponses) -> tuple[tuple[str, str, Handler], ...]:
    """Method, path and handler of every relay route."""
    anthropic = AnthropicChat()
    methods = Methods(
        GEMINI_ERRORS,
        {
            "generateContent": relay.chat(GeminiChat(streamed=False)),
            "streamGenerateContent": relay.chat(GeminiChat(streamed=True, sse=False)),
            "streamGenerateContent?alt=sse": relay.chat(GeminiChat(streamed=True)),
            "countTokens": relay.count(GeminiCount()),
            "embedContent": relay.embed(GeminiEmbeddings(batch=False)),
            "batchEmbedContents": relay.embed(GeminiEmbeddings(batch=True)),
        },
    )
    return (
        ("POST", "/v1/chat/completions", relay.chat(OpenAIChat())),
        ("POST", "/v1/completions", relay.chat(OpenAICompletions())),
        ("POST", "/v1/edits", relay.chat(OpenAIEdits())),
        ("POST", "/v1/responses", kept.create(OpenAIResponses())),
        ("POST", "/v1/responses/compact", kept.compact()),
        ("GET", "/v1/responses/<response_id>", kept.show()),
        ("DELETE", "/v1/responses/<response_id>", kept.delete()),
        ("POST", "/v1/responses/<response_id>/cancel", kept.cancel()),
        ("GET", "/v1/responses/<response_id>/input_items", kept.input_items()),
        ("POST", "/v1/messages", relay.chat(anthropic)),
        ("POST", "/v1/messages/count_tokens", relay.count(anthropic)),
        ("POST", "/v1/embeddings", relay.embed(OpenAIEmbeddings())),
        ("POST", "/v1/engines/<model:path>/embeddings", relay.embed(EngineEmbeddings())),
        ("POST", "/v1/moderations", relay.moderate(OpenAIModerations())),
        ("POST", "/v1/rerank", relay.rerank(JinaRerank())),
        ("POST", "/v2/chat", relay.chat(COHERE)),
        ("POST", "/v2/embed", relay.embed(CohereEmbed())),
        ("POST", "/v2/rerank", relay.rerank(CohereRerank())),
        ("POST", "/api/chat", relay.chat(OllamaChat())),
        ("POST", "/api/generate", relay.chat(OllamaChat(generate=True))),
        ("POST", "/api/embed", relay.embed(OllamaEmbed())),
        ("POST", "/api/embeddings", relay.embed(OllamaEmbeddings())),
        ("GET", "/api/tags", relay.models(lambda request: OLLAMA)),
        ("POST", "/api/show", relay.show(OLLAMA)),
        ("GET", "/api/version", relay.told(VERSION)),
        ("GET", "/v1/models", relay.models(models_dialect)),
        ("GET", "/v1/models/<name:path>", relay.model(models_dialect)),
        ("POST", "/v1/models/<name:path>", methods),
        ("POST", "/v1beta/models/<name:path>", methods),
        ("POST", "/v1beta/openai/chat/completions", relay.chat(OpenAIChat())),
        ("POST", "/v1beta/openai/embeddings", relay.embed(OpenAIEmbeddings())),
        ("GET", "/v1beta/openai/models", relay.models(lambda request: OPENAI_MODELS)),
        ("GET", "/v1beta/openai/models/<name:path>", relay.model(lambda request: OPENAI_MODELS)),
        ("GET", "/v1beta/models", relay.models(lambda request: GEMINI_MODELS)),
        ("GET", "/v1beta/models/<name:path>", relay.model(lambda request: GEMINI_MODELS)),
    )


def models_dialect(request: Request) -> ModelsDialect:
    """In whose shape models are listed: told by the headers a dialect's clients send."""
    if "anthropic-version" in request.headers:
        return ANTHROPIC_MODELS
    if request.headers.get("x-goog-api-key") or (request.query_string and request.args.get("key")):
        return GEMINI_MODELS
    return OPENAI_MODELS


def errors_of(path: str) -> ErrorForm:
    """The envelope for errors outside of any handler (no such route, headers too long), by path."""
    if path.startswith("/v1/messages"):
        return ANTHROPIC_ERRORS
    if path.startswith("/v2/"):
        return COHERE
    gemini = path.startswith("/v1beta/") and not path.startswith("/v1beta/openai/")
    return GEMINI_ERRORS if gemini else OPENAI_ERRORS
