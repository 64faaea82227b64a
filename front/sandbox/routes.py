"""Which path is answered in which form."""

from __future__ import annotations

from typing import Any

from front.sandbox import openai
from front.sandbox.forms import Reply


def route(method: str, path: str, query: dict[str, str], body: dict[str, Any], header: str) -> Reply:
    """The reply to a request that could be read. Raises ValueError, KeyError ... for one that asks nonsense."""
    if method == "GET":
        return _get(path)
    if path == "/v1/chat/completions":
        return openai.chat(body, header)
    if path == "/v1/embeddings":
        return openai.embeddings(body, header)
    if path in ("/v1/rerank", "/v2/rerank"):
        return openai.rerank(body, header, int(path[2]))
    return error(path, 404, f"The sandbox does not serve {path}.")


def _get(path: str) -> Reply:
    """Lists of models, and a sign of life at /."""
    if path == "/v1/models":
        return Reply(openai.models())
    if path.startswith("/v1/models/"):
        return Reply(openai.model(path.removeprefix("/v1/models/")))
    if path == "/":
        return Reply({"service": "isthmus sandbox"})
    return error(path, 404, f"The sandbox does not serve {path}.")


def error(path: str, status: int, message: str) -> Reply:
    """An error in the form of the path's vendor."""
    kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    code = "invalid_api_key" if status == 401 else None
    return Reply({"error": {"message": message, "type": kind, "param": None, "code": code}}, status=status)
