"""OpenAI moderations: body -> envelope and canonical request, judgements -> body.

https://platform.openai.com/docs/api-reference/moderations
"""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import common_pb2, moderation_pb2

from front.dialects.interface import Ask
from front.dialects.openai import parts as openai_parts
from front.dialects.openai.dialect import OpenAIErrors
from front.dialects.strict import take
from front.errors import bad

FORM = "openai.moderations"
DEFAULT_MODEL = "text-moderation-stable"
"""New API's, for requests that name none; so the price is known."""
MOST_INPUTS = 8192
NAMED = "input must be a string, an array of strings, or an array of objects with a type."


class OpenAIModerations(OpenAIErrors):
    """Implements ModerationDialect: POST /v1/moderations."""

    form = FORM
    headers: tuple[str, ...] = ()

    def parse(self, ask: Ask) -> tuple[common_pb2.Envelope, moderation_pb2.Moderation]:
        """See the interface."""
        source = ask.source
        model = take(source, "model", str) or DEFAULT_MODEL
        found = moderation_pb2.Moderation()
        _inputs(found, source.pop("input", None), ask.raw)
        left = {name: value for name, value in source.items() if value is not None}
        if left:
            found.extensions.by_dialect[FORM] = orjson.dumps(left)
        envelope = common_pb2.Envelope(operation=common_pb2.OPERATION_MODERATION, model=model, path=ask.path)
        return envelope, found

    def render(self, answer: moderation_pb2.ModerateResponse, asked: moderation_pb2.Moderation) -> bytes:
        """See the interface."""
        results = [_result(result) for result in answer.results]
        return orjson.dumps({"id": answer.id, "model": answer.model, "results": results})


def _inputs(found: moderation_pb2.Moderation, value: Any, raw: bytes) -> None:
    if isinstance(value, str):
        found.single = True
        value = [value]
    if not isinstance(value, list) or not value:
        raise bad(NAMED, "input")
    if len(value) > MOST_INPUTS:
        raise bad(f"input has more than {MOST_INPUTS} entries.", "input")
    if all(isinstance(item, str) for item in value):
        for item in value:
            found.inputs.add().parts.add().text.text = item
        return
    together = found.inputs.add()
    for index, item in enumerate(value):
        openai_parts.part(together.parts.add(), item, f"input[{index}]", raw)


def _result(result: moderation_pb2.ModerationResult) -> dict[str, Any]:
    told = result.extensions.by_dialect.get(FORM)
    made: dict[str, Any] = {
        "flagged": result.flagged,
        "categories": {each.name: each.flagged for each in result.categories},
        "category_scores": {each.name: each.score for each in result.categories},
    }
    if any(each.types_told for each in result.categories):
        made["category_applied_input_types"] = {each.name: list(each.input_types) for each in result.categories}
    return {**made, **{k: v for k, v in (orjson.loads(told) if told else {}).items() if k not in made}}
