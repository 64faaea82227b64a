"""Dify's chat messages.

https://docs.dify.ai/api-reference/chat/send-chat-message. Agents answer only as streams, so all apps are asked so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2

from core.vendors.agents.form import AgentForm, words
from core.vendors.agents.stream import AgentDecoder
from core.vendors.interface import Call, ChatEvent
from core.vendors.openai import usage as usages
from core.vendors.shared.values import text, whole

FORM = "dify.chat"
ROLES = {chat_pb2.ROLE_ASSISTANT: "ASSISTANT", chat_pb2.ROLE_USER: "USER", chat_pb2.ROLE_TOOL: "TOOL"}


class DifyChat(AgentForm):
    """Implements ChatForm for a row. Without state."""

    name = FORM
    known = ("conversation_id", "inputs", "workflow_id")

    def body(
        self, messages: Sequence[chat_pb2.Message], told: dict[str, Any], user: str, call: Call, dropped: list[str]
    ) -> tuple[str, dict[str, Any]]:
        """One query: a lone message as it is, several under who said them. Pictures go by address only."""
        files: list[dict[str, str]] = []
        said: list[tuple[str, str]] = []
        for message in messages:
            said.append((ROLES.get(message.role, "SYSTEM"), words(message.parts, dropped, ("image",))))
            for part in message.parts:
                if part.HasField("image") and part.image.media.WhichOneof("source") == "url":
                    address = part.image.media.url
                    files.append({"type": "image", "transfer_method": "remote_url", "url": address})
                elif part.HasField("image"):
                    dropped.append("parts.image")
        alone = len(said) == 1 and said[0][0] == "USER"
        query = said[0][1] if alone else "\n\n".join(f"{role}: {words_}" for role, words_ in said)
        inputs = told.get("inputs")
        body: dict[str, Any] = {
            "inputs": inputs if isinstance(inputs, dict) else {},
            "query": query,
            "response_mode": "streaming",
            "user": user,
            "auto_generate_name": False,
        }
        if files:
            body["files"] = files
        body.update({name: told[name] for name in ("conversation_id", "workflow_id") if told.get(name)})
        return "/v1/chat-messages", body

    def decoder(self, call: Call) -> DifyDecoder:
        """For a stream."""
        return DifyDecoder(call)


class DifyDecoder(AgentDecoder):
    """Implements ChatDecoder."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._agent = False
        """Deltas came as agent_message: the message that follows them says it all again."""

    def _event(self, name: str, found: dict[str, Any], out: list[ChatEvent]) -> None:
        kind = text(found.get("event")) or name
        if kind not in ("ping", "error"):
            answer_id = text(found.get("message_id")) or text(found.get("id"))
            if answer_id:
                self._start(answer_id, text(found.get("conversation_id")), whole(found.get("created_at")), out)
        if kind == "agent_message" or (kind == "message" and not self._agent):
            self._agent = self._agent or kind == "agent_message"
            self._say("text", text(found.get("answer")), out)
        elif kind == "message_file" and found.get("belongs_to") != "user" and text(found.get("url")):
            self._whole(parts_pb2.Part(image=parts_pb2.ImagePart(media=parts_pb2.Media(url=found["url"]))), out)
        elif kind == "message_replace":
            self._finish.finish = chat_pb2.FINISH_REASON_CONTENT_FILTER
            self._say("refusal", text(found.get("answer")), out)
        elif kind == "agent_thought":
            told = parts_pb2.Opaque(dialect=FORM, kind=kind, json=orjson.dumps(found))
            out.append(ChatEvent(opaque=told))
        elif kind == "workflow_finished":
            self._workflow(found.get("data"), out)
        elif kind == "message_end":
            self._message_end(found.get("metadata"), out)
        elif kind == "error":
            self._fault(found, out)

    def _workflow(self, held: Any, out: list[ChatEvent]) -> None:
        """A workflow that failed has no message_end."""
        if isinstance(held, dict) and held.get("status") in ("failed", "stopped") and held.get("error"):
            self._fault({"message": text(held["error"]), "code": f"workflow_{held['status']}"}, out)

    def _message_end(self, metadata: Any, out: list[ChatEvent]) -> None:
        metadata = metadata if isinstance(metadata, dict) else {}
        told = metadata.get("usage")
        if isinstance(told, dict) and "prompt_tokens" in told:
            self.usage = usages.normalise(told)
            if told.get("currency") == "USD" and isinstance(told.get("total_price"), str):
                self.usage.vendor_cost = usages.cost({"cost": told["total_price"]})
        found = metadata.get("retriever_resources")
        for source in found if isinstance(found, list) else ():
            if isinstance(source, dict):
                cited = parts_pb2.Citation(
                    kind="document", start=-1, end=-1, title=text(source.get("document_name")),
                    cited_text=text(source.get("content")), json=orjson.dumps(source), dialect=FORM,
                )  # fmt: skip
                out.append(ChatEvent(delta=chat_pb2.PartDelta(index=self._part("text", out), citation=cited)))
        self._end(out)
