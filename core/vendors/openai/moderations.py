"""OpenAI's moderations form.

https://platform.openai.com/docs/api-reference/moderations
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import common_pb2, moderation_pb2, parts_pb2, usage_pb2

from core.errors import UnsupportedFeature
from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.openai import usage as usages
from core.vendors.openai.chat import renamed
from core.vendors.shared import refusal
from core.vendors.shared.changes import Changes, Look
from core.vendors.shared.headers import headers, url
from core.vendors.shared.media import address_of
from core.vendors.shared.splice import splice
from core.vendors.shared.values import text
from core.vendors.table import Row

FORM = "openai.moderations"
_RESULT = frozenset(("flagged", "categories", "category_scores", "category_applied_input_types"))


class OpenAIModerations:
    """Implements ModerationForm for a row. Without state."""

    name = FORM

    def __init__(self, row: Row) -> None:
        self._row = row

    def encode(self, request: moderation_pb2.Moderation, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises UnsupportedFeature, InvalidRequest."""
        body: dict[str, Any] = {"model": call.sent, "input": _input(request, call)}
        if FORM in request.extensions.by_dialect:
            extra = orjson.loads(request.extensions.by_dialect[FORM])
            body.update({key: value for key, value in extra.items() if key not in body})
        return self._request(orjson.dumps(body), call, native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes with only what the channel says changed."""
        return self._request(native.body, call, native=True)

    def _request(self, body: bytes, call: Call, native: bool) -> VendorRequest:
        def rules(names: list[str], look: Look) -> Changes:
            changes = Changes()
            if look("model") != call.sent:
                changes.sets["model"] = call.sent
            return changes

        body = splice(body, call, rules, native=native)
        address = url(self._row, self._row.moderation, call, call.sent)
        return VendorRequest("POST", address, headers(self._row, call), body)

    def decode(self, body: bytes, call: Call) -> moderation_pb2.ModerateResponse:
        """Results and usage, where the vendor tells any. Raises BadAnswer."""
        answer = _parse(body)
        response = moderation_pb2.ModerateResponse(model=call.asked, id=text(answer.get("id")))
        for item in answer["results"]:
            if not isinstance(item, dict) or not isinstance(item.get("categories"), dict):
                raise BadAnswer("a result has no categories")
            _result(response.results.add(), item)
        usage = usages.of_answer(answer)
        if usage is not None:
            response.usage.CopyFrom(usage)
        return response

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes to pass on, and usage. Raises BadAnswer."""
        answer = _parse(body)
        return renamed(body, call), usages.of_answer(answer)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


def _input(request: moderation_pb2.Moderation, call: Call) -> Any:
    """A text, a list of texts (a result each), or a list of pieces (one result)."""
    texts = [_alone(item) for item in request.inputs]
    told = [each for each in texts if each is not None]
    if len(told) == len(texts):
        return told[0] if request.single and len(told) == 1 else told
    if len(request.inputs) > 1:
        raise UnsupportedFeature("This vendor judges several texts, or one input with pictures.", param="input")
    return [_piece(part, call) for part in request.inputs[0].parts]


def _alone(item: moderation_pb2.ModerationInput) -> str | None:
    """The text of an input that is nothing else."""
    return item.parts[0].text.text if len(item.parts) == 1 and item.parts[0].HasField("text") else None


def _piece(part: parts_pb2.Part, call: Call) -> dict[str, Any]:
    if part.HasField("text"):
        return {"type": "text", "text": part.text.text}
    if part.HasField("image"):
        return {"type": "image_url", "image_url": {"url": address_of(part.image.media, "image/png", call, "input")}}
    raise UnsupportedFeature("This vendor judges texts and pictures only.", param="input")


def _result(out: moderation_pb2.ModerationResult, item: dict[str, Any]) -> None:
    scores, types = item.get("category_scores"), item.get("category_applied_input_types")
    scores = scores if isinstance(scores, dict) else {}
    told = isinstance(types, dict)
    for name, met in item["categories"].items():
        score = scores.get(name)
        made = out.categories.add(name=name, flagged=met is True, types_told=told)
        if isinstance(score, int | float) and not isinstance(score, bool):
            made.score = score
        applied = types.get(name) if isinstance(types, dict) else None
        made.input_types.extend(
            kind for kind in (applied if isinstance(applied, list) else ()) if isinstance(kind, str)
        )
    flagged = item.get("flagged")
    out.flagged = flagged if isinstance(flagged, bool) else any(each.flagged for each in out.categories)
    unknown = {key: value for key, value in item.items() if key not in _RESULT and value is not None}
    if unknown:
        out.extensions.by_dialect[FORM] = orjson.dumps(unknown)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer("it is not JSON") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        raise BadAnswer("there are no results")
    return answer
