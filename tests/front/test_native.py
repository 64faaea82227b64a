"""The query of a client's request, as a vendor is sent it."""

from __future__ import annotations

from urllib.parse import parse_qs

from front.dialects.interface import Ask
from front.relay import native_of


def test_the_query_says_what_it_said() -> None:
    query = {"beta": "true", "filter": "a&key=b#c d", "ü": "%26"}
    ask = Ask(raw=b"{}", source={}, path="/", max_messages=1, names={}, query=query, headers={})
    native = native_of("gemini.generate", ask)
    assert {name: values[-1] for name, values in parse_qs(native.query).items()} == query
