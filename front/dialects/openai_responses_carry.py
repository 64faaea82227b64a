"""What a Responses client cannot hold, carried for it inside reasoning items.

Clients of the Responses form send the items of earlier answers back as they got them, and a
reasoning item's encrypted_content is opaque to them. So another vendor's thinking (Anthropic's
signatures and redacted blocks), Gemini's thought signatures on texts and calls, and calls of server
tools of other forms travel there: a canonical part after a mark of ours. The part says whose
signature it is (ThinkingPart.signed_by); core leaves such items out where a vendor reads the form
itself (core/vendors/responses/names.py has the same mark).
"""

from __future__ import annotations

import base64
import binascii

from google.protobuf.message import DecodeError
from isthmus.v1 import parts_pb2

CARRIED = "isthmus.v1."
SIGNER = "openai"
"""Whose encrypted_content stands there as it came."""


def carry(part: parts_pb2.Part) -> str:
    """The part as encrypted_content."""
    return CARRIED + base64.urlsafe_b64encode(part.SerializeToString(deterministic=True)).decode()


def carried(content: str) -> parts_pb2.Part | None:
    """The part in encrypted_content; None where it is cut or was changed."""
    try:
        return parts_pb2.Part.FromString(base64.urlsafe_b64decode(content.removeprefix(CARRIED)))
    except (binascii.Error, ValueError, DecodeError):
        return None


def of_thinking(part: parts_pb2.Part) -> str:
    """Thinking that is not this form's own. Signed thoughts travel with their text, which the signature is for."""
    whole = parts_pb2.Part()
    whole.CopyFrom(part)
    whole.ClearField("extensions")
    if not part.thinking.signature and not part.thinking.encrypted:
        whole.thinking.text = ""
        del whole.thinking.summary[:]
    return carry(whole)


def of_signature(kind: str, call_id: str, signature: bytes) -> str:
    """A signature that stands on a text or on a call."""
    part = parts_pb2.Part(thought_signature=signature)
    if kind == "tool_call":
        part.tool_call.id = call_id
    else:
        getattr(part, kind).SetInParent()
    return carry(part)
