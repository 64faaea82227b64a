"""A small typed face over the generated stubs: Client, ApiError and makers of messages."""

from __future__ import annotations

from isthmus.client.answers import ChatAnswer, ChatStream
from isthmus.client.client import Client
from isthmus.client.errors import ApiError
from isthmus.client.messages import assistant, developer, image, system, text, tool_result, user

__all__ = [
    "ApiError",
    "ChatAnswer",
    "ChatStream",
    "Client",
    "assistant",
    "developer",
    "image",
    "system",
    "text",
    "tool_result",
    "user",
]
