"""The prompt of a request whose vendor told no usage."""

import pytest
from google.protobuf import json_format
from isthmus.v1 import chat_pb2, embedding_pb2, rerank_pb2

from core.pricing.prompt import prompt_tokens

CHATS = {
    "a text": ({"messages": [{"role": "ROLE_USER", "parts": [{"text": {"text": "one two"}}]}]}, 3 + 3 + 2),
    "a name": ({"messages": [{"name": "ann", "parts": [{"text": {"text": "one"}}]}]}, 3 + 3 + 3 + 1 + 1),
    "a picture": ({"messages": [{"parts": [{"image": {"media": {"url": "https://x.example/a.png"}}}]}]}, 3 + 3 + 520),
    "a call and its result": (
        {
            "messages": [
                {"parts": [{"tool_call": {"name": "sum", "arguments": "{}"}}]},
                {"parts": [{"tool_result": {"content": [{"text": {"text": "four"}}]}}]},
            ]
        },
        3 + 3 + 1 + 2 + 3 + 1,
    ),
}


@pytest.mark.parametrize(("told", "tokens"), CHATS.values(), ids=CHATS)
def test_chat(told, tokens):
    assert prompt_tokens(json_format.ParseDict(told, chat_pb2.ChatRequest()), "m") == tokens


def test_a_tool_costs_its_definition():
    plain = json_format.ParseDict({"messages": [{"parts": [{"text": {"text": "x"}}]}]}, chat_pb2.ChatRequest())
    tooled = chat_pb2.ChatRequest()
    tooled.CopyFrom(plain)
    tooled.tools.add().function.name = "weather"
    assert prompt_tokens(tooled, "m") >= prompt_tokens(plain, "m") + 8 + 2


def test_embeddings_count_token_lists_as_they_are():
    asked = embedding_pb2.Embedding()
    asked.inputs.add().tokens.ids.extend(range(17))
    asked.inputs.add().text = "one two three"
    assert prompt_tokens(asked, "m") == 20


def test_rerank_counts_query_and_documents():
    asked = rerank_pb2.RerankRequest(query="one two")
    asked.documents.add().text = "three"
    asked.documents.add().fields_json = b'{"a":"four"}'
    assert prompt_tokens(asked, "m") == 2 + 1 + 9
