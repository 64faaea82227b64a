"""The Sandbox's pure parts: answers, orders, signatures, and values for schemas."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from front.sandbox import controls, sign
from front.sandbox.answer import FILLER, REFUSAL, THOUGHT, Question, answer, count, pieces, relevance, vector
from front.sandbox.controls import NONE, Controls
from front.sandbox.instance import MOST_VALUES, instance

TOOLS = {"weather": {"type": "object", "properties": {"city": {"type": "string"}}}, "time": {}}


def ask(text: str = "Hello", orders: Controls = NONE, **more: Any) -> Question:
    return Question(model="m", text=text, prompt=text, controls=orders, **more)


def test_the_same_question_has_the_same_answer_and_another_has_another() -> None:
    assert answer(ask()) == answer(ask())
    assert answer(ask()).id != answer(ask("Bye")).id


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2)])
def test_count(text: str, tokens: int) -> None:
    assert count(text) == tokens


def test_words_of_results_and_pictures() -> None:
    made = answer(ask("Hi", results=["sunny", "rain"], images=[100, 0]))
    assert made.text == "The sandbox heard: Hi The tools answered: sunny; rain There were 2 images of 100 bytes."
    assert made.input == 1 + 2 * 85


@given(limit=st.integers(1, 60), thinking=st.booleans(), tokens=st.integers(0, 60))
def test_a_limit_holds_for_thought_and_text(limit: int, thinking: bool, tokens: int) -> None:
    free = answer(ask(thinking=thinking, orders=Controls(tokens=tokens)))
    made = answer(ask(thinking=thinking, orders=Controls(tokens=tokens), limit=limit))
    assert made.output <= limit
    assert made.output == count(made.thought) + count(made.text)
    assert (made.finish == "length") == (free.output > limit)
    assert free.text.startswith(made.text)
    assert free.thought.startswith(made.thought)


def test_stops() -> None:
    made = answer(ask(stop=["heard", "sandbox", ""]))
    assert (made.text, made.finish, made.stopped_at) == ("The ", "stop_sequence", "sandbox")
    assert answer(ask(stop=["absent"])).finish == "stop"


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({}, []),
        ({"must": True}, ["weather"]),
        ({"only": "time"}, ["time"]),
        ({"must": True, "no_tools": True}, []),
        ({"must": True, "results": ["done"]}, []),
        ({"text": "Call a tool"}, ["weather"]),
        ({"orders": Controls(calls=3)}, ["weather", "time", "weather"]),
        ({"orders": Controls(calls=3, tool="time")}, ["time"] * 3),
        ({"orders": Controls(calls=3), "single": True}, ["weather"]),
        ({"orders": Controls(calls=3, refuse=True)}, []),
    ],
)
def test_calls(more: dict[str, Any], names: list[str]) -> None:
    made = answer(ask(tools=TOOLS, **more))
    assert [call.name for call in made.calls] == names
    assert (made.finish == "tool") == bool(names)
    assert len({call.id for call in made.calls}) == len(names)
    for call in made.calls:
        assert json.loads(call.arguments) == ({"city": "sandbox"} if call.name == "weather" else {})


def test_orders_of_an_answer() -> None:
    assert answer(ask(orders=Controls(refuse=True))).text == REFUSAL
    assert answer(ask(orders=Controls(thinking=True))).thought == THOUGHT
    assert answer(ask(orders=Controls(tokens=3))).text == f"{FILLER} {FILLER} {FILLER[:2]}"
    assert answer(ask(orders=Controls(usage_lie=9, thinking=True))).output == 9
    cached = answer(ask("x" * 40, Controls(cached=7, cache_write=99)))
    assert (cached.input, cached.cached, cached.written) == (10, 7, 3)
    assert answer(ask("Hi", schema={"const": 7})).text == "7"
    assert json.loads(answer(ask("Hi", json_object=True)).text) == {"echo": "Hi"}


@given(text=st.text(max_size=200), chunks=st.integers(0, 30))
def test_pieces_are_the_text(text: str, chunks: int) -> None:
    made = pieces(text, chunks)
    assert "".join(made) == text
    assert all(made)
    assert not chunks or len(made) <= chunks


def test_vectors_and_relevance() -> None:
    assert vector("a", 8) == vector("a", 8) != vector("b", 8)
    assert all(-1 <= number <= 1 for number in vector("a", 500))
    assert relevance("a b", "b c") == 0.5
    assert relevance("", "a") == 0


def test_orders_in_text_and_header() -> None:
    made, text = controls.parse("Hi [[sandbox chunks=2 thinking unknown=1]] there", "chunks=5 cut_after=-3 tool=x")
    assert made == Controls(chunks=5, thinking=True, tool="x")
    assert text == "Hi  there"
    assert controls.parse(" Hi ") == (NONE, "Hi")
    assert controls.parse("Hi [[sandbox thinking=false]]")[0] is NONE


@pytest.mark.parametrize(
    "words", ["chunks=", "chunks", "chunks=x", "tokens=1000001", "calls=129", "status=200", "status=600"]
)
def test_orders_nobody_can_follow(words: str) -> None:
    with pytest.raises(ValueError, match="sandbox: "):
        controls.parse(f"[[sandbox {words}]]")


@given(content=st.text(max_size=40), salt=st.text("0123456789abcdef", min_size=16, max_size=24))
def test_a_signature_holds_for_what_it_signs_alone(content: str, salt: str) -> None:
    made = sign.sign("call", content, salt)
    assert sign.holds("call", content, made)
    assert sign.holds("call", None, made)
    assert sign.holds("call", content, base64.urlsafe_b64encode(base64.b64decode(made)).decode())
    assert not sign.holds("call", content + "x", made)
    assert not sign.holds("text", content, made)


def test_every_changed_letter_is_seen() -> None:
    made = sign.sign("call", "x", "0123456789abcdef")
    for at in range(len(made)):
        for letter in "Aa9+":
            changed = made[:at] + letter + made[at + 1 :]
            assert sign.holds("call", "x", changed) == (changed == made)
    for other in ("", made[:-4], made + "AAAA", made + "=", f" {made}", None, 7, "é", "*"):
        assert not sign.holds("call", None, other)


SCHEMAS: list[tuple[Any, Any]] = [
    ({"type": "string", "minLength": 9}, "sandboxxx"),
    ({"type": "string", "maxLength": 3}, "san"),
    ({"type": "STRING"}, "sandbox"),
    ({"enum": ["b", "a"]}, "b"),
    ({"type": "integer", "minimum": 3}, 3),
    ({"type": "number", "exclusiveMinimum": 3}, 4),
    ({"type": ["boolean", "null"]}, False),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
    ({"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": "2"}, [0, 0]),
    ({"type": "object", "properties": {"a": {"type": "null"}, "b": {}}, "required": ["a"]}, {"a": None}),
    ({"properties": {"a": {"anyOf": [{"const": 1}, {}]}}}, {"a": 1}),
    ({"$ref": "#/$defs/x", "$defs": {"x": {"default": 5}}}, 5),
    ({"$ref": "#/nowhere"}, None),
    (True, None),
]


@pytest.mark.parametrize(("schema", "value"), SCHEMAS)
def test_instance(schema: Any, value: Any) -> None:
    assert instance(schema) == value


def test_schemas_without_end() -> None:
    tree = {"type": "object", "properties": {"l": {"$ref": "#"}, "r": {"$ref": "#"}}, "required": ["l", "r"]}
    for schema in (tree, {"type": "array", "minItems": MOST_VALUES + 1}, {"type": "string", "minLength": 10**12}):
        with pytest.raises(ValueError, match="too great"):
            instance(schema)
    assert instance({"$ref": "#"}) is None
