"""The playground: OpenAI's chat for those that are signed in, billed to their wallet, in a group of their choice."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import access_pb2, access_pb2_grpc, chat_pb2, common_pb2
from sanic import Request

from front.dialects.interface import Ask
from front.dialects.openai.dialect import OpenAIChat
from front.dialects.strict import take
from front.relay import Handler, Metadata, Relay
from front.rest.manager import Manager

PATH = "/pg/chat/completions"
USER = access_pb2.CheckAccountRequest(role=access_pb2.ACCOUNT_ROLE_USER)


class PlaygroundChat(OpenAIChat):
    """Implements ChatDialect; `group` is ours, and no vendor sees it."""

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, chat_pb2.ChatRequest]:
        """See the interface."""
        group = take(ask.source, "group", str) or ""
        ask.source.pop("group", None)
        ask.raw = orjson.dumps(ask.source)
        envelope, chat = super().parse(ask)
        envelope.group, envelope.path = group, PATH
        return envelope, chat


def playground(relay: Relay, manager: Manager, channel: Any) -> Handler:
    """POST /pg/chat/completions, by session or access token."""
    access = access_pb2_grpc.AccessServiceStub(channel)

    async def who(request: Request) -> Metadata:
        metadata = manager.caller(request)
        await access.CheckAccount(USER, metadata=metadata)
        return metadata

    return relay.chat(PlaygroundChat(), who)
