"""Custom methods of Google's APIs: several of them behind one path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sanic import Request
from sanic.response import HTTPResponse

from front.dialects.interface import ErrorForm
from front.errors import FrontError
from front.relay import refusal


class Methods:
    """POST /v1beta/models/{model}:{method}: one path, and a handler for each of its methods."""

    def __init__(self, errors: ErrorForm, handlers: Mapping[str, Any]) -> None:
        self._errors = errors
        self.handlers = handlers
        """By method; with "?alt=sse" behind it where the framing makes a difference."""

    async def __call__(self, request: Request, name: str) -> HTTPResponse | None:
        """Hands the request to the handler of its method."""
        model, _, method = name.rpartition(":")
        alt = request.args.get("alt", "") if request.query_string else ""
        handler = self.handlers.get(f"{method}?alt={alt}") or self.handlers.get(method)
        if handler is None:
            told = f"There is no method {method[:64]} of models."
            return refusal(FrontError(404, told, code="not_found", reason="NOT_FOUND"), request, self._errors)
        answer: HTTPResponse | None = await handler(request, model=model.removeprefix("models/"))
        return answer
