"""Canonical messages as the system blocks and turns of the Messages form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isthmus.v1 import chat_pb2

from core.vendors.anthropic.decode import DIALECT
from core.vendors.anthropic.encode_parts import Blocks, extend, plain

_INSTRUCTIONS = (chat_pb2.ROLE_SYSTEM, chat_pb2.ROLE_DEVELOPER)


class Turns:
    """Sorts messages: instructions at the front become system, the rest alternating turns.

    Instructions later on stand inside messages, right after a user's turn, where the
    model knows that (the API refuses them anywhere else); else they join system.
    """

    def __init__(self, blocks: Blocks, inside: bool, dropped: list[str]) -> None:
        self._blocks = blocks
        self._inside = inside
        self._dropped = dropped
        self._waiting: list[dict[str, Any]] = []
        self.system: Any = []
        self.messages: list[dict[str, Any]] = []

    def instruct(self, text: str) -> None:
        """An instruction of the gateway's own; before the messages are added."""
        self.system.append({"type": "text", "text": text})

    def add(self, messages: Iterable[chat_pb2.Message]) -> None:
        """All messages of a request, in order."""
        begun = False
        for message in messages:
            if message.name:
                self._dropped.append("messages.name")
            if message.role not in _INSTRUCTIONS:
                begun = True
                self._turn(message)
            elif begun:
                self._later(message)
            else:
                self.system += self._instructions(message)
        if self._waiting:
            self.system += self._waiting
        if not self.messages and self.system:
            # Instructions alone are no conversation: they are what the user says.
            self.messages.append({"role": "user", "content": self.system})
            self.system = []
        if len(self.system) == 1 and plain(self.system[0]):
            self.system = self.system[0]["text"]
        for turn in self.messages:
            turn["content"] = _ordered(turn["content"]) if turn["role"] == "user" else turn["content"]
            if len(turn["content"]) == 1 and plain(turn["content"][0]):
                turn["content"] = turn["content"][0]["text"]

    def _instructions(self, message: chat_pb2.Message) -> list[dict[str, Any]]:
        # An opaque block of the form's own is one that no other vendor is to be told.
        texts = [part for part in message.parts if part.HasField("text") or part.opaque.dialect == DIALECT]
        if len(texts) < len(message.parts):
            self._dropped.append("messages.system.media")
        return self._blocks.blocks(texts)

    def _later(self, message: chat_pb2.Message) -> None:
        made = self._instructions(message)
        if not self._inside:
            self.system += made
        elif self.messages and self.messages[-1]["role"] in ("user", "system"):
            self._append("system", made)
        else:
            self._waiting += made

    def _turn(self, message: chat_pb2.Message) -> None:
        role = "assistant" if message.role == chat_pb2.ROLE_ASSISTANT else "user"
        made = self._blocks.blocks(message.parts)
        if not made:
            return
        self._append(role, made)
        if message.extensions.by_dialect:
            extend(self.messages[-1], message.extensions)
        if role == "user" and self._waiting:
            self._append("system", self._waiting)
            self._waiting = []

    def _append(self, role: str, made: list[dict[str, Any]]) -> None:
        """Turns of the same side become one, as the API itself would join them."""
        if not made:
            return
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += made
        else:
            self.messages.append({"role": role, "content": list(made)})


def _ordered(content: list[Any]) -> list[Any]:
    """Results of tools stand first in a user's turn: the API refuses them after anything else."""
    return sorted(content, key=lambda block: not (isinstance(block, dict) and block.get("type") == "tool_result"))
