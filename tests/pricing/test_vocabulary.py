"""Vocabularies: what belongs to which family, that they are their makers', and that long texts cost their length."""

from __future__ import annotations

import hashlib
import itertools
import lzma
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from core.pricing import vocabulary
from core.pricing.count import HEAD, Delivered, text_tokens
from core.pricing.prompt import prompt_tokens
from core.pricing.vocabulary import SCRIPT, SEGMENT, count, load, segments, vocabulary_of

HASHES = {
    # Of the tokens with a byte of length before each, in the order of ranks: tools/vocabularies.py prints them.
    "o200k_base": "bac143fe7fe950090c6e4ed9a2f80de5412a92495758b52becbbe5a7eea25ecb",
    "cl100k_base": "6bfd43f7b31b50b645b3228413547e662af1ae4801e9b192b9791680a71d650c",
    "qwen": "d2fea2da75cd336e42a7b709b2d168a0f6108f909837964693079dad68a9736c",
    "tekken": "65e8dd42ec4e22317d1336ddadfc8fd5f432fb61c763bf00b95d60aa443d459f",
}
TEXTS = {
    "english": "It counts what was delivered, and bills it exactly once.",
    "chinese": "它统计已经交付的内容,并且只计费一次。",
    "russian": "Шлюз стоит между программами и поставщиками.",
    "code": "for index, piece in enumerate(text.split('\\n')):\n    total += len(piece) // 4\n",
}


@pytest.fixture(scope="module", params=HASHES)
def name(request: pytest.FixtureRequest) -> str:
    load(request.param)
    return str(request.param)


def test_files_are_what_their_makers_publish(name: str) -> None:
    packed = lzma.decompress((Path(vocabulary.__file__).parent / "vocabularies" / f"{name}.xz").read_bytes())
    assert hashlib.sha256(packed).hexdigest() == HASHES[name]


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-5.1-codex", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("openai/gpt-oss-120b", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("Qwen/Qwen3-235B-A22B", "qwen"),
        ("qwen-max", "qwen"),
        ("open-mistral-nemo", "tekken"),
        ("mistral-small-latest", "tekken"),
        ("mistral-large-latest", SCRIPT),
        ("claude-sonnet-4-5", SCRIPT),
        ("gemini-2.5-pro", SCRIPT),
        ("deepseek-chat", SCRIPT),
        ("opus", SCRIPT),
        ("o1x", SCRIPT),
    ],
)
def test_families(model: str, family: str) -> None:
    assert vocabulary_of(model) == family


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_cuts_as_tiktoken_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """tiktoken's own definition, given the same ranks instead of a download."""
    from tiktoken_ext import openai_public

    load(name)
    ours: Any = vocabulary._loaded[name]
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: ours._mergeable_ranks)
    told = {**getattr(openai_public, name)(), "special_tokens": {}}
    theirs = tiktoken.Encoding(**told)
    for text in (*TEXTS.values(), "I'll DON'T  99999 \n\n\t x\u0301 <|endoftext|> 🇵🇦"):
        assert ours.encode_ordinary(text) == theirs.encode_ordinary(text)


def test_known_counts() -> None:
    """As OpenAI's cookbook tells them of its two."""
    load("o200k_base")
    load("cl100k_base")
    text = "antidisestablishmentarianism"
    assert (count("cl100k_base", text), count("o200k_base", text)) == (6, 6)
    assert (count("cl100k_base", "お誕生日おめでとう"), count("o200k_base", "お誕生日おめでとう")) == (9, 8)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc \n."), st.integers(1, SEGMENT)), max_size=8))
def test_segments_are_the_text(runs: list[tuple[str, int]]) -> None:
    text = "".join(character * length for character, length in runs)
    pieces = segments(text)
    assert "".join(pieces) == text
    assert all(len(piece) <= SEGMENT for piece in pieces)
    assert all(pieces) or not text


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_cutting_long_texts_changes_next_to_nothing(name: str, text: str) -> None:
    long = (text + " ") * (10 * SEGMENT // len(text))
    whole = len(vocabulary._loaded[name].encode_ordinary(long))
    assert abs(count(name, long) - whole) <= len(segments(long))


@pytest.mark.parametrize("character", ["a", " ", "^", "网", "\n"])
def test_runs_without_end_are_counted(name: str, character: str) -> None:
    """With the square of them this would take minutes."""
    assert 0 < count(name, character * 300_000) <= 300_000


def test_answers_are_counted_however_they_come() -> None:
    load("o200k_base")
    text = TEXTS["english"] * 40
    for size in (1, 3, 7, len(text)):
        counter = Delivered("gpt-4o")
        for at in range(0, len(text), size):
            counter.add(text[at : at + size])
        assert counter.exact() == count("o200k_base", text)
        assert counter.tokens() == text_tokens("gpt-4o", text)


def test_long_answers_keep_their_beginning_alone() -> None:
    load("o200k_base")
    counter = Delivered("gpt-4o")
    text = TEXTS["russian"] + " "
    for _ in range(10 * HEAD // len(text)):
        counter.add(text)
    assert sum(map(len, counter._head)) == HEAD
    whole = count("o200k_base", text * (10 * HEAD // len(text)))
    assert abs(counter.exact() - whole) < whole // 50


def test_without_a_vocabulary_nothing_is_kept() -> None:
    counter = Delivered("claude-sonnet-4-5")
    counter.add(TEXTS["english"])
    assert counter._head == []
    assert counter.exact() == counter.tokens() > 0


def test_unloaded_vocabularies_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "_loaded", {})
    counter = Delivered("gpt-4o")
    counter.add(TEXTS["chinese"])
    assert counter.exact() == counter.tokens()


def test_prompts_by_the_vocabulary() -> None:
    from isthmus.v1 import chat_pb2

    load("o200k_base")
    chat = chat_pb2.ChatRequest()
    for text in TEXTS.values():
        chat.messages.add(role=chat_pb2.ROLE_USER).parts.add().text.text = text
    counts = [count("o200k_base", text) for text in TEXTS.values()]
    assert prompt_tokens(chat, "gpt-4o", vocabulary="o200k_base") == 3 + sum(3 + tokens for tokens in counts)
    assert list(itertools.accumulate(counts))[-1] != sum(text_tokens("gpt-4o", text) for text in TEXTS.values())
