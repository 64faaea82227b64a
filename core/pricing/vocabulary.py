"""The vocabularies of model families, as their makers publish them (docs/decisions/0005): counted with tiktoken.

None is loaded before somebody counts with it: load() takes a fifth of a second to a second, so that the pipeline calls
it in a thread. A family without a vocabulary here is counted by core/pricing/count.py.
"""

from __future__ import annotations

import lzma
import re
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

SEGMENT = 4096
"""Characters that are counted together: what has no spaces takes the square of it."""
SCRIPT = "script"
"""What counts where there is no vocabulary."""
_FOLDER = Path(__file__).parent / "vocabularies"
_CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+%s"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*%s"
    r"|\p{N}{1,%d}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_PLAIN = _SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,%d}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_PATTERNS = {
    # How each cuts a text before its tokens are looked up: tiktoken_ext/openai_public.py; Qwen's
    # tokenization_qwen.py; the config of Mistral's tekken.json.
    "o200k_base": _CASED % (_SHORT + "?", _SHORT + "?", 3),
    "cl100k_base": _PLAIN % 3,
    "qwen": _PLAIN % 1,
    "tekken": _CASED % ("", "", 1),
}
_FAMILIES = (
    # What a model's name begins with, and its vocabulary; the first that fits.
    (r"(chatgpt-)?gpt-4o|chatgpt|gpt-(4\.[15]|[5-9]|oss)|o[134](-|$)|codex|omni-moderation", "o200k_base"),
    (r"gpt-(4|3\.5)|text-embedding-(3|ada-002)", "cl100k_base"),
    (r"qwen|qwq|qvq", "qwen"),
    (r"(open-)?mistral-(nemo|small|medium)|pixtral|ministral|magistral|devstral", "tekken"),
)
_COMPILED = tuple((re.compile(pattern), name) for pattern, name in _FAMILIES)
_loaded: dict[str, Any] = {}
_lock = threading.Lock()


@lru_cache(1024)
def vocabulary_of(model: str) -> str:
    """The name of a model's vocabulary; SCRIPT where there is none. Prefixes of houses ("openai/") do not count."""
    name = model.rpartition("/")[2].lower()
    return next((found for pattern, found in _COMPILED if pattern.match(name)), SCRIPT)


def is_loaded(name: str) -> bool:
    """Whether counting with it costs no more than counting."""
    return name == SCRIPT or name in _loaded


def load(name: str) -> None:
    """Loads a vocabulary unless it is there. Slow: for threads."""
    with _lock:
        if name not in _loaded:
            _loaded[name] = _encoding(name)


def _encoding(name: str) -> Any:
    # Not imported before it is needed: most gateways' vendors all tell their usage.
    import tiktoken

    packed = lzma.decompress((_FOLDER / f"{name}.xz").read_bytes())
    ranks: dict[bytes, int] = {}
    at, end = 0, len(packed)
    while at < end:
        size = packed[at]
        ranks[packed[at + 1 : at + 1 + size]] = len(ranks)
        at += 1 + size
    return tiktoken.Encoding(name, pat_str=_PATTERNS[name], mergeable_ranks=ranks, special_tokens={})


def count(name: str, text: str) -> int:
    """Tokens of a text by a vocabulary that is loaded; marks such as <|endoftext|> are text here."""
    encode = _loaded[name].encode_ordinary
    return sum(len(encode(piece)) for piece in segments(text))


def segments(text: str) -> list[str]:
    """The text in pieces of at most SEGMENT characters, cut before a space or line where there is one.

    Words keep the space before them in every vocabulary, so that such a cut changes no token, but where spaces follow
    each other.
    """
    if len(text) <= SEGMENT:
        return [text]
    pieces, start = [], 0
    while len(text) - start > SEGMENT:
        end = start + SEGMENT
        found = max(text.rfind(" ", start + 1, end), text.rfind("\n", start + 1, end))
        cut = found if found > start else end
        pieces.append(text[start:cut])
        start = cut
    pieces.append(text[start:])
    return pieces
