"""Kept turns as items: what goes before a new input, and what is listed."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from front.dialects.responses import kept
from front.errors import FrontError


def turn(number: int, given: Any, *output: Any) -> Any:
    made = json.dumps({"id": f"resp_{number}", "output": list(output)}).encode()
    return SimpleNamespace(id=f"resp_{number}", input_json=json.dumps(given).encode(), response_json=made)


SAID = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "isthmus.v1.x"}


def test_a_conversation_is_put_before_what_follows() -> None:
    source: dict[str, Any] = {"input": "And?", "previous_response_id": "resp_2", "model": "m"}
    kept.continued(source, [turn(1, "Hello", THOUGHT, SAID), turn(2, [{"role": "user", "content": "x"}], SAID)])
    assert "previous_response_id" not in source
    kinds = [(item.get("type"), item.get("role")) for item in source["input"]]
    assert kinds == [("message", "user"), ("reasoning", None), ("message", "assistant"), (None, "user"),
                     ("message", "assistant"), ("message", "user")]  # fmt: skip
    assert source["input"][1] == THOUGHT
    assert "id" not in source["input"][2]


def test_no_new_input_and_a_bad_one() -> None:
    source: dict[str, Any] = {}
    kept.continued(source, [turn(1, "Hello", SAID)])
    assert len(source["input"]) == 2
    with pytest.raises(FrontError) as caught:
        kept.continued({"input": 7}, [turn(1, "Hello", SAID)])
    assert caught.value.param == "input"


def test_pages() -> None:
    turns = [turn(1, [{"role": "user", "content": f"{n}"} for n in range(3)], SAID), turn(2, "last", SAID)]

    def page(**query: str) -> dict[str, Any]:
        return dict(json.loads(kept.input_items(turns, query)))

    everything = page(order="asc", limit="100")
    ids = [item["id"] for item in everything["data"]]
    assert len(set(ids)) == 5
    assert not everything["has_more"]
    assert everything["data"][0]["content"] == [{"type": "input_text", "text": "0"}]
    assert page(order="asc", limit="100")["data"] == everything["data"], "ids stay the same"
    assert [item["id"] for item in page()["data"]] == ids[::-1]
    middle = page(order="asc", after=ids[0], limit="2")
    assert ([item["id"] for item in middle["data"]], middle["has_more"]) == (ids[1:3], True)
    assert [item["id"] for item in page(order="asc", before=ids[2])["data"]] == ids[:2]
    assert page(order="asc", after=ids[-1])["data"] == []
    for bad in ({"order": "up"}, {"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"after": "none"}):
        with pytest.raises(FrontError):
            page(**bad)
