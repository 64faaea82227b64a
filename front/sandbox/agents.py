"""Dify's chat messages and Coze's chat, as streams.

https://docs.dify.ai/api-reference/chat/send-chat-message, https://www.coze.cn/open/docs/developer_guides/chat_v3
"""

from __future__ import annotations

from typing import Any

from front.sandbox.answer import Answer, Question, answer, pieces
from front.sandbox.controls import parse
from front.sandbox.forms import CREATED, Refused, Reply, Request, dicts, dump, not_served, sse

DIFY, COZE = "/v1/chat-messages", "/v3/chat"
PATHS = (DIFY, COZE)
STREAM = "text/event-stream"


def serve(request: Request) -> Reply:
    """POST /v1/chat-messages (Dify), /v3/chat (Coze); as a Form."""
    if request.method != "POST":
        raise not_served(request)
    return _dify(request) if request.path == DIFY else _coze(request)


def error(request: Request, refused: Refused) -> Reply:
    """Each platform's own; as a Form."""
    if request.path == DIFY:
        body = {"code": refused.code or "invalid_param", "message": refused.message, "status": refused.status}
        return Reply(body, status=refused.status)
    return Reply({"code": 4000, "msg": refused.message}, status=refused.status)


def _question(text: str, prompt: str, order: str) -> tuple[Question, Answer]:
    controls, last = parse(text, order)
    question = Question(model="agent", text=last, prompt=prompt, controls=controls, stream=True)
    return question, answer(question)


def _dify(request: Request) -> Reply:
    body = request.body
    if not isinstance(body.get("inputs"), dict) or not body.get("user"):
        raise Refused("inputs and user are required in the request body.")
    if not body.get("query") or body.get("response_mode") != "streaming":
        raise Refused("query is required, and agents do not support blocking mode.")
    question, made = _question(str(body["query"]), str(body["query"]), request.order)
    held = str(body.get("conversation_id") or "conversation-new")
    base = {"task_id": "task", "message_id": made.id, "conversation_id": held, "created_at": CREATED}
    told = [sse({"event": "workflow_started", **base, "data": {}})]
    told += [
        sse({"event": "message", **base, "answer": piece}) for piece in pieces(made.text, question.controls.chunks)
    ]
    used = {"prompt_tokens": made.input, "completion_tokens": made.output, "total_tokens": made.input + made.output}
    metadata = {} if question.controls.no_usage else {"usage": used}
    told.append(sse({"event": "message_end", **base, "metadata": metadata}))
    broken = sse({"event": "error", "status": 500, "code": "internal_server_error", "message": "The sandbox broke."})
    return Reply(None, told, broken, content_type=STREAM, controls=question.controls)


def _event(name: str, data: Any) -> bytes:
    return b"event:" + name.encode() + b"\ndata:" + dump(data) + b"\n\n"


def _coze(request: Request) -> Reply:
    body = request.body
    if not body.get("bot_id") or not body.get("user_id") or body.get("stream") is not True:
        raise Refused("bot_id, user_id and stream are required.")
    messages = dicts(body.get("additional_messages"), "additional_messages")
    if not messages or any(each.get("role") not in ("user", "assistant") for each in messages):
        raise Refused("additional_messages must be the user's and the assistant's.")
    prompt = "\n".join(str(each["content"]) for each in messages)
    question, made = _question(str(messages[-1]["content"]), prompt, request.order)
    held = request.query.get("conversation_id") or "conversation-new"
    chat: dict[str, Any] = {"id": made.id, "conversation_id": held, "bot_id": body["bot_id"], "created_at": CREATED}
    message = {"id": "m1", "conversation_id": held, "role": "assistant", "type": "answer", "content_type": "text"}
    told = [_event("conversation.chat.created", {**chat, "status": "created"})]
    said = pieces(made.text, question.controls.chunks)
    told += [_event("conversation.message.delta", {**message, "content": piece}) for piece in said]
    told.append(_event("conversation.message.completed", {**message, "content": made.text}))
    used = {"token_count": made.input + made.output, "output_count": made.output, "input_count": made.input}
    end = {**chat, "status": "completed", **({} if question.controls.no_usage else {"usage": used})}
    told += [_event("conversation.chat.completed", end), _event("done", "[DONE]")]
    broken = _event("error", {"code": 5000, "msg": "The sandbox broke."})
    return Reply(None, told, broken, content_type=STREAM, controls=question.controls)
