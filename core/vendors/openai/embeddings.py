"""OpenAI's embeddings form."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson
from isthmus.v1 import common_pb2, embedding_pb2, usage_pb2

from core.errors import UnsupportedFeature
from core.vendors.interface import BadAnswer, Call, VendorRefusal, VendorRequest
from core.vendors.openai import usage as usages
from core.vendors.openai.chat import renamed
from core.vendors.shared import refusal, scan
from core.vendors.shared.changes import Changes, Look, guards
from core.vendors.shared.changes import renamed as at_vendor
from core.vendors.shared.headers import headers, url
from core.vendors.shared.splice import splice
from core.vendors.shared.values import text
from core.vendors.table import Row

FORM = "openai.embeddings"


class OpenAIEmbeddings:
    """Implements EmbeddingForm for a row. Without state."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.name = FORM

    def encode(self, request: embedding_pb2.Embedding, call: Call) -> VendorRequest:
        """The canonical request in this form. Raises UnsupportedFeature."""
        inputs = [_input(item) for item in request.inputs]
        single = request.single and len(inputs) == 1
        body: dict[str, Any] = {"model": call.sent, "input": inputs[0] if single else inputs}
        dropped = [name for name in ("task_type", "title", "truncate") if getattr(request, name)]
        if request.HasField("dimensions"):
            body["dimensions"] = request.dimensions
        if request.encodings:
            body["encoding_format"] = request.encodings[0]
            if len(request.encodings) > 1:
                dropped.append("encodings")
        if request.user:
            body["user"] = request.user
        if FORM in request.extensions.by_dialect:
            extra = orjson.loads(request.extensions.by_dialect[FORM])
            body.update({key: value for key, value in extra.items() if key not in body})
        return self._request(orjson.dumps(body), call, tuple(dropped), native=False)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """The client's own bytes with only what the channel says changed."""
        return self._request(native.body, call, (), native=True)

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        row = self._row

        def rules(names: list[str], look: Look) -> Changes:
            changes = guards(call, names)
            changes.deletes.update(name for name in row.drops if name in names)
            changes.renames.update(at_vendor(row.renames, names))
            if look("model") != call.sent:
                changes.sets["model"] = call.sent
            return changes

        body = splice(body, call, rules, native=native)
        return VendorRequest("POST", url(row, row.embedding, call, call.sent), headers(row, call), body, dropped)

    def decode(self, body: bytes, call: Call) -> embedding_pb2.EmbedResponse:
        """Vectors and usage. Raises BadAnswer."""
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise BadAnswer("it is not JSON") from None
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
            raise BadAnswer("there is no data")
        response = embedding_pb2.EmbedResponse(model=call.asked, id=text(answer.get("id")))
        for number, item in enumerate(answer["data"]):
            if not isinstance(item, dict):
                raise BadAnswer("a vector is not an object")
            _vector(response.vectors.add(), item, number)
        usage = usages.of_answer(answer)
        if usage is not None:
            response.usage.CopyFrom(usage)
        return response

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes to pass on, and usage; the vectors are skipped, not parsed. Raises BadAnswer."""
        body = renamed(body, call)
        members = {member.name: member for member in scan.members(body)}
        if "data" not in members:
            raise BadAnswer("there is no data")
        member = members.get("usage")
        if member is None:
            return body, None
        try:
            told = orjson.loads(body[member.value : member.end])
        except orjson.JSONDecodeError:
            raise BadAnswer("its usage is not JSON") from None
        return body, usages.of_answer({"usage": told})

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape."""
        return refusal.read(status, headers, body, call.secret)


def _input(item: embedding_pb2.EmbeddingInput) -> Any:
    kind = item.WhichOneof("kind")
    if kind == "tokens":
        return list(item.tokens.ids)
    if kind == "parts":
        texts = [part.text.text for part in item.parts.parts if part.HasField("text")]
        if len(texts) < len(item.parts.parts):
            raise UnsupportedFeature("This vendor embeds texts and tokens only.", param="input")
        return "\n".join(texts)
    return item.text


def _vector(out: embedding_pb2.EmbeddingVector, item: dict[str, Any], number: int) -> None:
    index = item.get("index")
    out.index = index if isinstance(index, int) and 0 <= index < 1 << 31 else number
    vector = item.get("embedding")
    if isinstance(vector, str):
        out.encoding = "base64"
        try:
            out.packed = base64.b64decode(vector, validate=True)
        except (binascii.Error, ValueError):
            raise BadAnswer("a vector is not base64") from None
        return
    out.encoding = "float"
    try:
        out.values.extend(vector)
    except (TypeError, ValueError):
        raise BadAnswer("a vector is not a list of numbers") from None
