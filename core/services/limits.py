"""Limits on what a gRPC caller may send; fronts check the same before they ask."""

from __future__ import annotations

from isthmus.v1 import chat_pb2

from core.errors import InvalidRequest, TooLarge

MAX_MESSAGES = 8192
"""Messages of one conversation."""
MAX_TOOLS = 1024
"""Tools of one request."""
MAX_CANDIDATES = 128
"""Choices of one request (OpenAI's own limit)."""


def check_chat(chat: chat_pb2.ChatRequest) -> None:
    """Raises InvalidRequest or TooLarge."""
    if not chat.messages:
        raise InvalidRequest("At least one message is needed.", param="messages")
    if len(chat.messages) > MAX_MESSAGES:
        raise TooLarge(f"More than {MAX_MESSAGES} messages.", param="messages")
    if len(chat.tools) > MAX_TOOLS:
        raise TooLarge(f"More than {MAX_TOOLS} tools.", param="tools")
    if chat.candidates > MAX_CANDIDATES:
        raise InvalidRequest(f"At most {MAX_CANDIDATES} choices may be asked for.", param="n")
