"""Words of OpenAI's Responses form that its encoder and its decoders share."""

from __future__ import annotations

from isthmus.v1 import chat_pb2

DIALECT = "openai.responses"
SIGNER = "openai"
"""ThinkingPart.signed_by of this form's encrypted reasoning."""
CARRIED = "isthmus.v1."
"""How encrypted_content begins where the gateway's own dialect made it to carry another vendor's thoughts.

The same words stand in front/dialects/responses/carry.py; no vendor can read such content.
"""
SERVER_CALLS = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "computer_call": "computer",
    "image_generation_call": "image_generation",
    "mcp_call": "mcp",
    "local_shell_call": "shell",
    "shell_call": "shell",
    "apply_patch_call": "patch",
    "tool_search_call": "tool_search",
}
"""Items that are calls of tools which are not the client's functions -> the canonical kind."""
SERVER_TOOLS = {
    "web_search": "web_search",
    "web_search_2025_08_26": "web_search",
    "web_search_preview": "web_search",
    "web_search_preview_2025_03_11": "web_search",
    "file_search": "file_search",
    "code_interpreter": "code_interpreter",
    "computer": "computer",
    "computer_use": "computer",
    "computer_use_preview": "computer",
    "image_generation": "image_generation",
    "mcp": "mcp",
    "local_shell": "shell",
    "shell": "shell",
    "apply_patch": "patch",
    "tool_search": "tool_search",
}
"""Tool types -> the canonical kind."""
EFFORTS = {
    chat_pb2.EFFORT_NONE: "none",
    chat_pb2.EFFORT_MINIMAL: "minimal",
    chat_pb2.EFFORT_LOW: "low",
    chat_pb2.EFFORT_MEDIUM: "medium",
    chat_pb2.EFFORT_HIGH: "high",
    chat_pb2.EFFORT_XHIGH: "xhigh",
    chat_pb2.EFFORT_MAX: "max",
}
INCOMPLETE = {
    "max_output_tokens": chat_pb2.FINISH_REASON_LENGTH,
    "max_tokens": chat_pb2.FINISH_REASON_LENGTH,
    "content_filter": chat_pb2.FINISH_REASON_CONTENT_FILTER,
}
"""incomplete_details.reason -> why the choice ended."""
