"""Addresses of Wenxin Workshop: each model has a path of its own (cloud.baidu.com/doc/WENXINWORKSHOP)."""

from __future__ import annotations

from urllib.parse import quote

from core.vendors.interface import Call

PREFIX = "/rpc/2.0/ai_custom/v1/wenxinworkshop"
_PATHS = {
    "ernie-3.5-8k": "completions", "ernie-bot": "completions", "ernie-bot-turbo": "eb-instant",
    "ernie-bot-4": "completions_pro", "ernie-speed-8k": "ernie_speed", "ernie-lite-8k-0922": "eb-instant",
    "bloomz-7b": "bloomz_7b1", "bge-large-zh": "bge_large_zh", "bge-large-en": "bge_large_en",
    "tao-8k": "tao_8k",
}  # fmt: skip
"""Where the path is not the model's name in lower case."""


def url(call: Call, family: str) -> str:
    """The address in a family of paths (chat, embeddings), less the access token."""
    name = call.sent.lower()
    path = "completions_pro" if name.startswith("ernie-4.0") else _PATHS.get(name, name)
    return f"{call.channel.base_url.rstrip('/')}{PREFIX}/{family}/{quote(path, safe='')}"
