"""Counts tokens where a vendor tells none. A documented estimate: see docs/decisions/0002-token-counting.md.

Letters count by length of word, ideographs singly, digits by threes, punctuation
singly. The count is a running one: it keeps a small state, never the text, and
does not depend on how the text was split.
"""

from __future__ import annotations

import re

LETTERS_PER_TOKEN = 6
"""A word of up to six letters is one token; longer ones are cut."""
DIGITS_PER_TOKEN = 3
_RUNS = re.compile("([^\\W\\d_\u2e80-\U0010ffff]+)|(\\d+)|[\u2e80-\U0010ffff]|[^\\w\\s]|_")
"""Letters, digits; every other visible character singly."""


class Delivered:
    """Output tokens of one answer, counted as they come."""

    __slots__ = ("_digits", "_letters", "_tokens")

    def __init__(self, model: str) -> None:
        self._tokens = 0
        self._letters = 0
        self._digits = 0

    def add(self, text: str) -> None:
        """Adds a piece, cut anywhere."""
        tokens, letters, digits = self._tokens, self._letters, self._digits
        end = 0
        for match in _RUNS.finditer(text):
            start = match.start()
            if start != end:
                letters = digits = 0
            length = match.end() - start
            end = match.end()
            if match.lastindex == 2:
                tokens += -(-(digits + length) // DIGITS_PER_TOKEN) - -(-digits // DIGITS_PER_TOKEN)
                digits, letters = digits + length, 0
            elif match.lastindex == 1:
                tokens += -(-(letters + length) // LETTERS_PER_TOKEN) - -(-letters // LETTERS_PER_TOKEN)
                letters, digits = letters + length, 0
            else:
                tokens += 1
                letters = digits = 0
        if end != len(text):
            letters = digits = 0
        self._tokens, self._letters, self._digits = tokens, letters, digits

    def tokens(self) -> int:
        """Tokens so far."""
        return self._tokens


def text_tokens(model: str, text: str) -> int:
    """Tokens of a whole text."""
    counter = Delivered(model)
    counter.add(text)
    return counter.tokens()
