"""What a Responses client cannot hold, carried for it inside reasoning items.

Clients of the Responses form send the items of earlier answers back as they got them, and a
reasoning item's encrypted_content is opaque to them. So another vendor's thinking (Anthropic's
signatures and redacted blocks), Gemini's thought signatures on texts and calls, and calls of server
tools of other forms travel there: a canonical part after a mark of ours. The part says whose
signature it is (ThinkingPart.signed_by); core leaves such items out where a vendor reads the form
itself (core/vendors/responses/names.py has the same mark).
"""

from __future__ import annotations

from isthmus.v1 import parts_pb2

from front.dialects.carry import CARRIED, carried, carry

__all__ = ["CARRIED", "SIGNER", "carried", "carry", "of_signature", "of_thinking"]

SIGNER = "openai"
"""Whose encrypted_content stands there as it came."""


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
