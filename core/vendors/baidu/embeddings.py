"""Wenxin Workshop's embeddings: OpenAI's answer, the model in the path, errors with status 200."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from isthmus.v1 import common_pb2, embedding_pb2, usage_pb2

from core.vendors.baidu.address import url
from core.vendors.baidu.errors import error_of
from core.vendors.interface import Call, ToldRefusal, VendorRefusal, VendorRequest
from core.vendors.openai.embeddings import OpenAIEmbeddings
from core.vendors.shared import refusal, scan, told
from core.vendors.shared.headers import headers
from core.vendors.table import Row

FORM = "baidu.embeddings"
_KNOWN = ("input", "user")


class BaiduEmbeddings(OpenAIEmbeddings):
    """Implements EmbeddingForm for a row. No client speaks it."""

    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self.name = FORM

    def _request(self, body: bytes, call: Call, dropped: tuple[str, ...], native: bool) -> VendorRequest:
        body = super()._request(body, call, dropped, native).body
        parsed = orjson.loads(body)
        given = parsed["input"]
        changed = {"input": orjson.dumps([given] if isinstance(given, str) else given)}
        gone = {name for name in parsed if name not in _KNOWN and name not in call.channel.param_override}
        body = scan.change(body, changed, gone, {"user": "user_id"} if "user" in parsed else {})
        named = (*dropped, *sorted(gone - {"model"}))
        return VendorRequest("POST", url(call, "embeddings"), headers(self._row, call), body, named)

    def splice(self, native: common_pb2.Native, call: Call) -> VendorRequest:
        """Never called: no client speaks this form."""
        raise AssertionError(f"a client spoke {self.name}")

    def decode(self, body: bytes, call: Call) -> embedding_pb2.EmbedResponse:
        """Vectors and usage. Raises ToldRefusal, BadAnswer."""
        _check(body, call)
        return super().decode(body, call)

    def relay_whole(self, body: bytes, call: Call) -> tuple[bytes, usage_pb2.Usage | None]:
        """Bytes and usage. Raises ToldRefusal, BadAnswer."""
        _check(body, call)
        return super().relay_whole(body, call)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
        """An error answer, of any shape; the form's own has its status."""
        try:
            _check(body, call)
        except ToldRefusal as error:
            return error.refusal
        return refusal.read(status, headers, body, call.secret)


def _check(body: bytes, call: Call) -> None:
    """Raises ToldRefusal where the answer tells an error."""
    if b'"error_code"' not in body:
        return
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return
    error = error_of(answer) if isinstance(answer, dict) else None
    if error is not None:
        raise told.refused(error, call.secret)
