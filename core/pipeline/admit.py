"""May this request go on? Rate limits and filters, before any vendor is called."""

from __future__ import annotations

from typing import Any

from core.errors import InvalidRequest
from core.state.options import Options


class SensitiveWord(InvalidRequest):
    """The prompt holds a word the operator forbids; the word itself is not told."""

    reason = "SENSITIVE_WORD"
    code = "sensitive_words_detected"
    default_message = "The prompt holds a word that is not allowed here."


def check_words(canonical: Any, options: Options) -> None:
    """Raises SensitiveWord where a forbidden word stands anywhere in the request, whatever its case.

    The serialised message holds every text as UTF-8, so that one search covers
    messages, instructions and tools alike.
    """
    words = options.prompt_words
    if not words:
        return
    text = canonical.SerializeToString().decode("utf-8", "ignore").lower()
    for word in words:
        if word in text:
            raise SensitiveWord()
