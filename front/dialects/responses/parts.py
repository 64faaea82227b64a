"""Content parts of the Responses form's messages and tool outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from isthmus.v1 import parts_pb2

from front.dialects.openai.parts import address
from front.dialects.strict import take
from front.errors import bad

FORM = "openai.responses"


def keep(target: Any, item: dict[str, Any]) -> None:
    """Keeps the members left in item, but null ones."""
    left = {name: value for name, value in item.items() if value is not None}
    if left:
        target.extensions.by_dialect[FORM] = orjson.dumps(left)


class Parts:
    """Reads content; media stay in the body they came in."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def content(self, add: Callable[[], parts_pb2.Part], content: Any, path: str) -> None:
        """A text, or a list of parts. Raises FrontError 400."""
        if isinstance(content, str):
            add().text.text = content
            return
        if not isinstance(content, list):
            raise bad(f"{path} must be a string or an array of parts.", path)
        for index, item in enumerate(content):
            self.part(add(), item, f"{path}[{index}]")

    def part(self, target: parts_pb2.Part, item: Any, path: str) -> None:
        """One content part. Unknown kinds travel whole. Raises FrontError 400."""
        if not isinstance(item, dict) or not isinstance(item.get("type"), str):
            raise bad(f"{path} must be an object with a type.", path)
        kind = item["type"]
        if kind in ("input_text", "output_text", "text"):
            text = take(item, "text", str, path + ".")
            if text is None:
                raise bad(f"{path}.text is required.", f"{path}.text")
            target.text.text = text
            self._noted(target.text, item, path)
        elif kind == "refusal":
            target.refusal.text = take(item, "refusal", str, path + ".") or ""
        elif kind == "input_image":
            self._image(target.image, item, path)
        elif kind == "input_file":
            self._file(target.file, item, path)
        elif kind == "input_audio" and isinstance(item.get("input_audio"), dict):
            sound = item.pop("input_audio")
            target.audio.format = take(sound, "format", str, path + ".input_audio.") or ""
            data = take(sound, "data", str, path + ".input_audio.")
            if data is None:
                raise bad(f"{path}.input_audio.data is required.", f"{path}.input_audio.data")
            address(target.audio.media, data, self._raw, f"{path}.input_audio.data")
        else:
            target.opaque.dialect, target.opaque.kind, target.opaque.json = FORM, kind, orjson.dumps(item)
            target.extensions.by_dialect[FORM] = b'{"message":null}'
            return
        del item["type"]
        mark = item.get("prompt_cache_breakpoint")
        if isinstance(mark, dict):
            target.cache_mark.ttl = take(mark, "ttl", str, path + ".prompt_cache_breakpoint.") or ""
            del item["prompt_cache_breakpoint"]
        keep(target, item)

    def _noted(self, text: parts_pb2.TextPart, item: dict[str, Any], path: str) -> None:
        """Annotations and log-probabilities of a text the model said."""
        for each in take(item, "annotations", list, path + ".") or ():
            if isinstance(each, dict):
                text.citations.append(citation(each))
        logprobs = take(item, "logprobs", list, path + ".")
        if logprobs:
            text.logprobs.dialect, text.logprobs.json = FORM, orjson.dumps(logprobs)

    def _image(self, image: parts_pb2.ImagePart, item: dict[str, Any], path: str) -> None:
        image.detail = take(item, "detail", str, path + ".") or ""
        url, file_id = take(item, "image_url", str, path + "."), take(item, "file_id", str, path + ".")
        if url:
            address(image.media, url, self._raw, f"{path}.image_url")
        elif file_id:
            image.media.file_id = file_id
        else:
            raise bad(f"{path} must have image_url or file_id.", path)

    def _file(self, file: parts_pb2.FilePart, item: dict[str, Any], path: str) -> None:
        file.name = take(item, "filename", str, path + ".") or ""
        data, url = take(item, "file_data", str, path + "."), take(item, "file_url", str, path + ".")
        file_id = take(item, "file_id", str, path + ".")
        if data:
            address(file.media, data, self._raw, f"{path}.file_data")
        elif url:
            file.media.url, file.media.param = url, f"{path}.file_url"
        elif file_id:
            file.media.file_id = file_id
        else:
            raise bad(f"{path} must have file_data, file_url or file_id.", path)


def citation(item: dict[str, Any]) -> parts_pb2.Citation:
    """An annotation, its own object kept."""
    kind = str(item.get("type") or "")
    found = parts_pb2.Citation(
        kind={"url_citation": "url", "file_citation": "file"}.get(kind, kind),
        start=_place(item.get("start_index")),
        end=_place(item.get("end_index")),
        json=orjson.dumps(item),
        dialect=FORM,
    )
    for name, told in (("url", item.get("url")), ("title", item.get("title") or item.get("filename"))):
        if isinstance(told, str):
            setattr(found, name, told)
    return found


def _place(value: Any) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62
    return value if whole else -1
