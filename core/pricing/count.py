"""Counts tokens where a vendor tells none: see docs/decisions/0005-vocabularies.md.

The running count is an estimate by script classes, for it must cost next to nothing: most vendors tell at the end. What
is billed where none did is counted by the model's vocabulary, where there is one, from the answer's beginning.

Letters count by length of word, ideographs singly, digits by threes, punctuation
singly. The count is a running one: it keeps a small state, never the text, and
does not depend on how the text was split.
"""

from __future__ import annotations

import re

from core.pricing.vocabulary import SCRIPT, count, is_loaded, vocabulary_of

LETTERS_PER_TOKEN = 6
"""A word of up to six letters is one token; longer ones are cut."""
DIGITS_PER_TOKEN = 3
HEAD = 1 << 15
"""Characters of an answer that are kept to be counted by a vocabulary; what is longer is taken to be like them."""
PIECES = 256
"""Pieces of it that are kept apart: joining them each time would take the square."""
LOOK = 32
"""Characters of a text's end that are looked at first: most words end within."""
_LETTER = "[^\\W\\d_\u2e80-\U0010ffff]"
_LETTERS = re.compile(_LETTER + "+")
_DIGITS = re.compile("\\d+")
_TOKENS = re.compile(f"{_LETTER}{{1,{LETTERS_PER_TOKEN}}}|\\d{{1,{DIGITS_PER_TOKEN}}}|[\u2e80-\U0010ffff]|[^\\w\\s]|_")
"""One match a token: pieces of words, pieces of numbers, every other visible character singly."""


class Delivered:
    """Output tokens of one answer, counted as they come."""

    __slots__ = ("_digits", "_head", "_letters", "_room", "_tokens", "_vocabulary")

    def __init__(self, model: str) -> None:
        self._vocabulary = vocabulary_of(model)
        self._head: list[str] = []
        self._room = HEAD if self._vocabulary != SCRIPT else 0
        self._tokens = 0
        self._letters = 0
        self._digits = 0

    def add(self, text: str) -> None:
        """Adds a piece, cut anywhere: a word or number that the last piece left open goes on here."""
        if self._room:
            self._keep(text)
        at = 0
        if self._letters and (run := _LETTERS.match(text)):
            at = run.end()
            self._tokens += -(-(self._letters + at) // LETTERS_PER_TOKEN) - -(-self._letters // LETTERS_PER_TOKEN)
            self._letters += at
        elif self._digits and (run := _DIGITS.match(text)):
            at = run.end()
            self._tokens += -(-(self._digits + at) // DIGITS_PER_TOKEN) - -(-self._digits // DIGITS_PER_TOKEN)
            self._digits += at
        if at < len(text):
            self._tokens += len(_TOKENS.findall(text, at))
            self._letters, self._digits = _open_run(text, at, _LETTERS), _open_run(text, at, _DIGITS)

    def _keep(self, text: str) -> None:
        part = text[: self._room]
        self._room -= len(part)
        self._head.append(part)
        if len(self._head) > PIECES:
            self._head = ["".join(self._head)]

    def tokens(self) -> int:
        """Tokens so far, estimated."""
        return self._tokens

    def exact(self) -> int:
        """Tokens so far by the model's vocabulary, where that is loaded; else as estimated."""
        head = "".join(self._head)
        if not head or not is_loaded(self._vocabulary):
            return self._tokens
        found = count(self._vocabulary, head)
        return found if self._room else max(found, self._tokens * found // max(1, text_tokens("", head)))


def _open_run(text: str, start: int, kind: re.Pattern[str]) -> int:
    """How many characters of a kind stand at the end of text, looked at from start on.

    Looks into ever larger ends, so that a run of any length (base64, no spaces) costs its length and not its square.
    """
    end = len(text)
    if not kind.match(text, end - 1):
        return 0
    width = LOOK
    while True:
        begin = max(start, end - width)
        first = next(run.start() for run in kind.finditer(text, begin) if run.end() == end)
        if first > begin or begin == start:
            return end - first
        width *= 8


def text_tokens(model: str, text: str) -> int:
    """Tokens of a whole text."""
    counter = Delivered(model)
    counter.add(text)
    return counter.tokens()
