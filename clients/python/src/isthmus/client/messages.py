"""Short makers of canonical messages: `user("Hello", image(data))`."""

from __future__ import annotations

from isthmus.v1 import chat_pb2, parts_pb2

PartLike = str | parts_pb2.Part


def text(value: str) -> parts_pb2.Part:
    """A text part."""
    return parts_pb2.Part(text=parts_pb2.TextPart(text=value))


def image(source: bytes | str, mime_type: str = "", detail: str = "") -> parts_pb2.Part:
    """A picture: its bytes, or its URL. mime_type is guessed from the first bytes where it is empty.

    detail: "low", "high", "auto" or "". Raises ValueError where the type cannot be guessed.
    """
    if isinstance(source, str):
        media = parts_pb2.Media(url=source, mime_type=mime_type)
    else:
        media = parts_pb2.Media(data=source, mime_type=mime_type or _picture_type(source))
    return parts_pb2.Part(image=parts_pb2.ImagePart(media=media, detail=detail))


def message(role: chat_pb2.Role.ValueType, *parts: PartLike, name: str = "") -> chat_pb2.Message:
    """A message of any role; a str is a text part."""
    made = [text(part) if isinstance(part, str) else part for part in parts]
    return chat_pb2.Message(role=role, parts=made, name=name)


def system(*parts: PartLike) -> chat_pb2.Message:
    """Instructions."""
    return message(chat_pb2.ROLE_SYSTEM, *parts)


def developer(*parts: PartLike) -> chat_pb2.Message:
    """The developer's instructions."""
    return message(chat_pb2.ROLE_DEVELOPER, *parts)


def user(*parts: PartLike) -> chat_pb2.Message:
    """What the user says."""
    return message(chat_pb2.ROLE_USER, *parts)


def assistant(*parts: PartLike) -> chat_pb2.Message:
    """What the model said before."""
    return message(chat_pb2.ROLE_ASSISTANT, *parts)


def tool_result(call_id: str, *content: PartLike, name: str = "", is_error: bool = False) -> chat_pb2.Message:
    """The result of a tool call of the turn before."""
    parts = [text(part) if isinstance(part, str) else part for part in content]
    result = parts_pb2.ToolResult(call_id=call_id, name=name, content=parts, is_error=is_error)
    return chat_pb2.Message(role=chat_pb2.ROLE_TOOL, parts=[parts_pb2.Part(tool_result=result)])


def _picture_type(data: bytes) -> str:
    """The MIME type by the file's signature."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    raise ValueError("The picture's type cannot be told from its bytes; give mime_type.")
