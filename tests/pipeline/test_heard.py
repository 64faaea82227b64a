"""Events that came in one read, told in fewer: nothing is lost, nothing changes place."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from isthmus.v1 import chat_pb2

from core.pipeline.heard import joined
from core.vendors.interface import ChatEvent

WORDS = st.sampled_from(["a", "bc", " ", "日本", ""])


def delta(kind: str, words: str, choice: int = 0, index: int = 0, **fields: Any) -> ChatEvent:
    """A delta of words."""
    return ChatEvent(delta=chat_pb2.PartDelta(choice=choice, index=index, **{kind: words}, **fields))


def scored(words: str) -> ChatEvent:
    """A delta with log-probabilities."""
    event = delta("text", words)
    event.delta.logprobs.SetInParent()
    return event


EVENTS = st.lists(
    st.one_of(
        st.builds(
            delta,
            st.sampled_from(["text", "thinking", "arguments", "refusal", "summary"]),
            WORDS,
            st.integers(0, 1),
            st.integers(0, 1),
        ),
        st.builds(scored, WORDS),
        st.just(ChatEvent(part_ended=chat_pb2.PartEnded(index=0))),
        st.just(ChatEvent(delta=chat_pb2.PartDelta(signature=b"sig"))),
    )
)


def told(events: list[ChatEvent]) -> list[tuple[Any, str]]:
    """What events say, however the words were cut: each run of a part's words is one entry."""
    said = []
    for event in events:
        kind = event.delta.WhichOneof("delta") if event.HasField("delta") else None
        plain = kind in ("text", "thinking", "arguments", "refusal") and not event.delta.HasField("logprobs")
        if plain and kind is not None:
            said.append(((event.delta.choice, event.delta.index, kind), str(getattr(event.delta, kind))))
        else:
            said.append((event.SerializeToString(deterministic=True), ""))
    runs = groupby(said, key=lambda entry: entry[0])
    return [(key, "".join(words for _, words in run)) for key, run in runs]


def copies(events: list[ChatEvent]) -> list[ChatEvent]:
    """The same events, apart."""
    return [ChatEvent.FromString(event.SerializeToString()) for event in events]


@given(EVENTS)
def test_joined_events_say_the_same_in_the_same_order(events: list[ChatEvent]) -> None:
    made = joined(copies(events))
    assert told(made) == told(events)
    assert len(made) <= len(events)


def test_neighbouring_words_of_a_part_are_one_event() -> None:
    made = joined([delta("text", "Hel"), delta("text", "lo"), delta("thinking", "x", index=1), delta("text", "!")])
    assert [event.delta.text or event.delta.thinking for event in made] == ["Hello", "x", "!"]


def test_scores_keep_their_words() -> None:
    made = joined([delta("text", "a"), scored("b"), delta("text", "c"), delta("text", "d")])
    assert [event.delta.text for event in made] == ["a", "b", "cd"]
    assert [event.delta.HasField("logprobs") for event in made] == [False, True, False]


def test_another_choices_words_stay_its_own() -> None:
    made = joined([delta("text", "a"), delta("text", "b", choice=1), delta("text", "c"), delta("text", "d", choice=1)])
    assert len(made) == 4
