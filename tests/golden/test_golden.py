"""Every golden case: what the code makes of it is what its files say."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.vendors.openai.translated import TranslatedChat
from tests.golden.cases import Case, all_cases, events, forms, relayed

CASES = all_cases()
STREAMS = [case for case in CASES if case.given["what"] == "stream" and case.speaks()]
RELAYED = [case for case in STREAMS if not isinstance(case.form()[1], TranslatedChat)]
"""Vendors with words of their own are never relayed: no client speaks them."""
ENDS = ("canonical.json", "out.json", "out.sse", "relay.sse")


def ordered(content: Any) -> str:
    """With the order of keys: prompt caches depend on it."""
    return json.dumps(content, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    made = case.made()
    for end, content in made.items():
        expected = case.expected(end)
        assert content == expected, end
        if end == "out.json" and "body" in content:
            assert ordered(content["body"]) == ordered(expected["body"])
    inputs = {"canonical.json"}
    stray = [end for end in ENDS if end not in made and end not in inputs and case.file(end).exists()]
    assert not stray, "files that nothing makes"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_source_is_named(case: Case) -> None:
    source = case.given.get("source") or ""
    assert source.startswith(("http", "README")), "name the page or SDK file that shows this shape"


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """The body in pieces."""
    marks = [0, *sorted(places), len(body)]
    return [body[a:b] for a, b in itertools.pairwise(marks)]


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)
def test_any_split_of_a_stream_gives_the_same(case: Case) -> None:
    body = case.body()
    _, form = case.form()
    call = case.call(stream=True)
    whole = events(form, call, [body])
    relays = not isinstance(form, TranslatedChat)
    passed = relayed(form, call, [body]) if relays else None
    # What a relay had passed on when it broke depends on the reads; what it passes on in all does not.
    assert events(form, call, [body[at : at + 1] for at in range(len(body))]) == whole
    assert not relays or relayed(form, call, [body[at : at + 1] for at in range(len(body))]) == passed

    @settings(max_examples=25)
    @given(st.lists(st.integers(0, len(body)), max_size=8))
    def check(places: list[int]) -> None:
        pieces = cut(body, places)
        assert events(form, call, pieces) == whole
        assert not relays or relayed(form, call, pieces) == passed

    check()


@pytest.mark.parametrize("case", RELAYED, ids=lambda case: case.name)
def test_decoder_and_relay_read_the_same_usage(case: Case) -> None:
    _, form = case.form()
    call = case.call(stream=True)
    found, _ = events(form, call, [case.body()])
    told = [event.usage.usage for event in found if event.HasField("usage")]
    _, broken, usage = relayed(form, call, [case.body()])
    if not broken and told:
        assert usage == told[-1]


def test_there_are_cases() -> None:
    assert len(CASES) > 10
    assert len(forms()) >= 3
