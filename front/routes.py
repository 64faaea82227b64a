"""Which path speaks which dialect."""

from __future__ import annotations

from sanic import Request

from front.dialects.interface import ErrorForm, ModelsDialect
from front.dialects.openai import OpenAIChat, OpenAIEmbeddings, OpenAIErrors, OpenAIModels
from front.relay import Handler, Relay

OPENAI_ERRORS = OpenAIErrors()
OPENAI_MODELS = OpenAIModels()


def relay_routes(relay: Relay) -> tuple[tuple[str, str, Handler], ...]:
    """Method, path and handler of every relay route."""
    return (
        ("POST", "/v1/chat/completions", relay.chat(OpenAIChat())),
        ("POST", "/v1/embeddings", relay.embed(OpenAIEmbeddings())),
        ("GET", "/v1/models", relay.models(models_dialect)),
        ("GET", "/v1/models/<name:path>", relay.model(models_dialect)),
    )


def models_dialect(request: Request) -> ModelsDialect:
    """In whose shape models are listed: told by the headers a dialect's clients send."""
    return OPENAI_MODELS


def errors_of(path: str) -> ErrorForm:
    """The envelope for errors outside of any handler (no such route, headers too long), by path."""
    return OPENAI_ERRORS
