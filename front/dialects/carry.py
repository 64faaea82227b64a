"""What a client's dialect cannot hold, carried in a text that it sends back as it came: a canonical part after a mark.

Anthropic's dialect has such a place in a thinking block's signature and in a redacted block's data, OpenAI's
Responses in a reasoning item's encrypted_content. What another vendor signed or encrypted travels there and becomes
itself again when the client's next turn brings it back: nothing is kept here, and the turn may reach any worker.
Vendors that read those forms themselves are never shown such a text (core/vendors/anthropic/signature.py,
core/vendors/responses/names.py have the same mark).
"""

from __future__ import annotations

import base64
import binascii

from google.protobuf.message import DecodeError
from isthmus.v1 import parts_pb2

CARRIED = "isthmus.v1."


def carry(part: parts_pb2.Part) -> str:
    """The part as a text."""
    return CARRIED + base64.urlsafe_b64encode(part.SerializeToString(deterministic=True)).decode()


def carried(text: str) -> parts_pb2.Part | None:
    """The part in a text; None where there is none, or it is cut or was changed."""
    if not text.startswith(CARRIED):
        return None
    try:
        return parts_pb2.Part.FromString(base64.urlsafe_b64decode(text.removeprefix(CARRIED)))
    except (binascii.Error, ValueError, DecodeError):
        return None


def thinking(found: parts_pb2.ThinkingPart) -> str:
    """What thoughts have beside their words, as a text; empty where they have nothing."""
    if not found.signature and not found.encrypted and not found.id:
        return ""
    part = parts_pb2.Part()
    part.thinking.CopyFrom(found)
    part.thinking.text = ""
    return carry(part)


def said(found: parts_pb2.ThinkingPart) -> str:
    """The words of thoughts: their text, else their summary."""
    return found.text or "\n".join(found.summary)


def restore(target: parts_pb2.ThinkingPart, text: str) -> bool:
    """Puts what a carried text holds into thoughts whose words are there; whether it held any."""
    part = carried(text)
    if part is None or not part.HasField("thinking"):
        return False
    words = target.text
    target.CopyFrom(part.thinking)
    if not target.summary:
        target.text = words
    return True


def text_signature(signature: bytes, alone: bool) -> str:
    """The signature of the text before it, or, alone, of an empty text; what signs calls travels in their ids."""
    part = parts_pb2.Part(thought_signature=signature)
    if alone:
        part.text.SetInParent()
    return carry(part)


def signed_text(text: str, before: parts_pb2.Part | None) -> parts_pb2.Part | None:
    """Gives a carried signature back to the text before; the part it stands on, None where the text carries none."""
    part = carried(text)
    if part is None or not part.thought_signature or part.HasField("thinking"):
        return None
    if before is not None and before.HasField("text") and not part.HasField("text"):
        before.thought_signature = part.thought_signature
        return before
    part.text.SetInParent()
    return part
