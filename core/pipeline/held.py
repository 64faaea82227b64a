"""State that only the vendor that made it holds: what no other vendor can go on from is refused, never left out."""

from __future__ import annotations

from isthmus.v1 import chat_pb2

from core.errors import UnsupportedFeature

STATEFUL = "openai.responses"
"""The wire form whose vendors hold answers and conversations."""


def is_held(chat: chat_pb2.ChatRequest) -> bool:
    """Whether a request names an answer or a conversation that its vendor holds, or wants its answer held."""
    state = chat.state
    return bool(state.previous_response_id or state.conversation_id or state.background)


def keeps(chat: chat_pb2.ChatRequest) -> bool:
    """Whether the answer may be kept: the client did not say otherwise."""
    return not chat.state.HasField("store") or chat.state.store


def check_held(chat: chat_pb2.ChatRequest, form: str) -> None:
    """Raises UnsupportedFeature where the request goes on from what a vendor of another form holds."""
    if form == STATEFUL:
        return
    state = chat.state
    for name, told in (("previous_response_id", state.previous_response_id), ("conversation", state.conversation_id)):
        if told:
            raise UnsupportedFeature(
                f"{name} names what is not kept here, or what only the vendor that answered before holds; this "
                "model's channel does not keep answers. Send the whole conversation in input.",
                param=name,
            )
    if state.background:
        raise UnsupportedFeature("This model's channel cannot answer in the background.", param="background")
    for message in chat.messages:
        for part in message.parts:
            if part.opaque.kind == "item_reference" and part.opaque.dialect == STATEFUL:
                raise UnsupportedFeature(
                    "input holds an item_reference, and this model's channel does not keep items. "
                    "Send the item itself.",
                    param="input",
                )
