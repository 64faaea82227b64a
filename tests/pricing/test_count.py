"""The running count of tokens: the same however the text was split, and never slower than the text is long."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pricing.count import Delivered, text_tokens

TEXTS = st.text(st.sampled_from("abcz019 _-.,\u00e9\u4e2d\u0416\n"), max_size=400)


@given(TEXTS, st.lists(st.integers(0, 400), max_size=8))
def test_splits_do_not_matter(text: str, cuts: list[int]) -> None:
    counter = Delivered("m")
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    for start, end in itertools.pairwise(edges):
        counter.add(text[start:end])
    assert counter.tokens() == text_tokens("m", text)


@pytest.mark.parametrize(
    ("character", "size"), [("x", 6), ("7", 3), ("\u4e2d", 1), (".", 1)], ids=["letters", "digits", "signs", "dots"]
)
def test_runs_without_end_are_counted_once(character: str, size: int) -> None:
    """A million characters without a space: with the square of them this would never end."""
    length = 1_000_000
    counter = Delivered("m")
    counter.add(character * length)
    counter.add(character * length)
    assert counter.tokens() == -(-2 * length // size)
    assert text_tokens("m", f"word {character * length}") == 1 + -(-length // size)
