"""Which request is answered in which vendor's form."""

from __future__ import annotations

from front.sandbox import agents, anthropic, cohere, completions, gemini, moderations, ollama, openai, rerank, responses
from front.sandbox.forms import Form, Request


def form(request: Request) -> Form:
    """The form of the path; /v1/models has several vendors, told apart by their headers."""
    path = request.path
    if path.startswith("/v1/messages"):
        return anthropic
    if path.startswith("/v1/responses"):
        return responses
    if path in ollama.PATHS:
        return ollama
    if path in agents.PATHS:
        return agents
    if path in ("/v2/chat", "/v2/embed"):
        return cohere
    if path == "/v1/completions":
        return completions
    if path == "/v1/moderations":
        return moderations
    if path.endswith("/rerank"):
        return rerank
    if path.startswith("/v1/models") and "anthropic-version" in request.headers:
        return anthropic
    if gemini.serves(request):
        return gemini
    return openai
