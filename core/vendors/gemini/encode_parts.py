"""Canonical messages as Gemini's contents."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Sequence
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, parts_pb2

from core.errors import InvalidRequest
from core.vendors.gemini import thinking
from core.vendors.gemini.decode import DIALECT, SIGNER, TOOL_TYPES
from core.vendors.interface import Call
from core.vendors.shared import carry
from core.vendors.shared.media import base64_of

PLACEHOLDER = "skip_thought_signature_validator"
"""What the vendor takes in place of a signature, for calls that came from elsewhere."""
_INSTRUCTIONS = frozenset({chat_pb2.ROLE_SYSTEM, chat_pb2.ROLE_DEVELOPER})
_ROLES = {chat_pb2.ROLE_ASSISTANT: "model", chat_pb2.ROLE_UNSPECIFIED: ""}
_TYPES = {kind: name for name, kind in TOOL_TYPES.items()}
_DEFAULT_TYPES = {"image": "image/jpeg", "audio": "audio/wav", "video": "video/mp4", "file": "application/pdf"}


class Contents:
    """Encodes messages for one call; names in dropped what has no place."""

    def __init__(self, call: Call, model: str, sign: bool, dropped: list[str]) -> None:
        self._call = call
        self._sign = sign and thinking.family(model).signs
        self._media_in_results = bool(thinking.family(model).levels)
        self._dropped = dropped
        self._names: dict[str, str] = {}
        self._order: dict[str, int] = {}

    def encode(self, messages: Sequence[chat_pb2.Message]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """The systemInstruction (or None), and contents. Instructions after the first turn become the user's."""
        first = next((at for at, each in enumerate(messages) if each.role not in _INSTRUCTIONS), len(messages))
        system = [piece for message in messages[:first] for part in message.parts for piece in self._part(part)]
        contents: list[dict[str, Any]] = []
        for message, given in _turns(messages[first:]):
            if message.role in _INSTRUCTIONS:
                self._dropped.append("messages.role (a later instruction is sent as the user's)")
            if message.name:
                self._dropped.append("messages.name")
            parts = self.parts(given)
            if not parts:
                continue
            made: dict[str, Any] = {"parts": parts}
            role = _ROLES.get(message.role, "user")
            if role:
                made["role"] = role
            self._extend(made, message.extensions.by_dialect)
            contents.append(made)
        return ({"parts": system} if system else None), contents

    def _extend(self, made: dict[str, Any], extensions: Any) -> None:
        if DIALECT in extensions:
            _merge(made, orjson.loads(extensions[DIALECT]))

    def parts(self, given: Sequence[parts_pb2.Part]) -> list[dict[str, Any]]:
        """The parts of one turn; the first call of each must be signed where the family signs."""
        parts: list[dict[str, Any]] = []
        late: list[dict[str, Any]] = []
        signed = not self._sign
        for part in self._in_call_order(given):
            if part.HasField("tool_result"):
                parts.append(self._result(part, late))
                continue
            made = self._part(part)
            if part.HasField("tool_call") and made:
                if not signed and "thoughtSignature" not in made[0]:
                    made[0]["thoughtSignature"] = PLACEHOLDER
                signed = True
            parts += made
        return parts + late

    def _in_call_order(self, given: Sequence[parts_pb2.Part]) -> Sequence[parts_pb2.Part]:
        """Results in the order of their calls: those without ids are told apart by it alone."""
        places = [at for at, part in enumerate(given) if part.HasField("tool_result")]
        if len(places) < 2:
            return given
        last = len(self._order)
        ordered = sorted((given[at] for at in places), key=lambda part: self._order.get(part.tool_result.call_id, last))
        out = list(given)
        for at, part in zip(places, ordered, strict=True):
            out[at] = part
        return out

    def _part(self, part: parts_pb2.Part) -> list[dict[str, Any]]:
        kind = part.WhichOneof("kind") or "empty"
        encode = getattr(self, "_" + kind, None)
        made: dict[str, Any] | None = encode(part) if encode is not None else None
        if made is None:
            self._dropped.append(f"parts.{kind}")
            return []
        if part.thought_signature:
            made["thoughtSignature"] = base64.b64encode(part.thought_signature).decode()
        if part.HasField("cache_mark"):
            self._dropped.append("parts.cache_mark")
        self._extend(made, part.extensions.by_dialect)
        return [made]

    # -- kinds --------------------------------------------------------------------------------

    def _text(self, part: parts_pb2.Part) -> dict[str, Any]:
        return {"text": part.text.text}

    def _thinking(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        thought = part.thinking
        text = thought.text or "\n".join(thought.summary)
        own = part.thought_signature or (thought.signature if thought.signed_by == SIGNER else b"")
        if (thought.signature or thought.encrypted) and not own:
            self._dropped.append("parts.thinking.signature")
        if not text and not own:
            return None
        made: dict[str, Any] = {"text": text, "thought": True}
        if own:
            made["thoughtSignature"] = base64.b64encode(own).decode()
        return made

    def _refusal(self, part: parts_pb2.Part) -> dict[str, Any]:
        return {"text": part.refusal.text}

    def _image(self, part: parts_pb2.Part) -> dict[str, Any]:
        made = self._media(part.image.media, "image")
        if part.image.detail.startswith("MEDIA_RESOLUTION"):
            made["mediaResolution"] = {"level": part.image.detail}
        elif part.image.detail in ("low", "high") and self._media_in_results:
            made["mediaResolution"] = {"level": f"MEDIA_RESOLUTION_{part.image.detail.upper()}"}
        elif part.image.detail not in ("", "auto"):
            self._dropped.append("parts.image.detail")
        return made

    def _audio(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        audio = part.audio
        if audio.media.WhichOneof("source") is None:
            return {"text": audio.transcript} if audio.transcript else None
        default = {"mp3": "audio/mpeg", "": "audio/wav"}.get(audio.format, f"audio/{audio.format}")
        return self._media(audio.media, "audio", default)

    def _video(self, part: parts_pb2.Part) -> dict[str, Any]:
        made = self._media(part.video.media, "video")
        meta: dict[str, Any] = {}
        if part.video.start_offset:
            meta["startOffset"] = part.video.start_offset
        if part.video.end_offset:
            meta["endOffset"] = part.video.end_offset
        if part.video.fps:
            meta["fps"] = part.video.fps
        if meta:
            made["videoMetadata"] = meta
        return made

    def _file(self, part: parts_pb2.Part) -> dict[str, Any]:
        file = part.file
        if file.content:
            return {"text": "\n".join(piece.text.text for piece in file.content if piece.HasField("text"))}
        if file.media.WhichOneof("source") == "text":
            return {"text": file.media.text}
        made = self._media(file.media, "file")
        if file.name:
            next(iter(made.values()))["displayName"] = file.name
        self._dropped.extend(f"parts.file.{name}" for name in ("title", "context") if getattr(file, name))
        return made

    def _search_result(self, part: parts_pb2.Part) -> dict[str, Any]:
        found = part.search_result
        inner = "\n".join(piece.text.text for piece in found.content if piece.HasField("text"))
        return {"text": "\n".join(filter(None, (found.title, found.source, inner)))}

    def _tool_call(self, part: parts_pb2.Part) -> dict[str, Any]:
        call = part.tool_call
        self._names[call.id] = call.name
        self._order[call.id] = len(self._order)
        inner: dict[str, Any] = {"name": call.name}
        if call.id and not call.id.startswith(carry.MADE):
            inner["id"] = call.id
        if call.free_form:
            inner["args"] = {"input": call.arguments}
        elif call.arguments.strip():
            inner["args"] = _arguments(call.arguments)
        if call.namespace or call.caller_json:
            self._dropped.append("parts.tool_call.namespace, caller")
        return {"functionCall": inner}

    def _server_tool_call(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        call = part.server_tool_call
        if call.dialect != DIALECT:
            return None
        inner: dict[str, Any] = {"toolType": call.name or _TYPES.get(call.kind, "TOOL_TYPE_UNSPECIFIED")}
        if call.id:
            inner["id"] = call.id
        if call.input_json:
            inner["args"] = orjson.Fragment(call.input_json)
        return {"toolCall": inner}

    def _server_tool_result(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        result = part.server_tool_result
        if result.dialect != DIALECT:
            return None
        inner: dict[str, Any] = {"toolType": _TYPES.get(result.kind, result.kind)}
        if result.call_id:
            inner["id"] = result.call_id
        if result.output_json:
            inner["response"] = orjson.Fragment(result.output_json)
        return {"toolResponse": inner}

    def _code(self, part: parts_pb2.Part) -> dict[str, Any]:
        inner = {"language": part.code.language or "PYTHON", "code": part.code.code}
        if part.code.id:
            inner["id"] = part.code.id
        return {"executableCode": inner}

    def _code_outcome(self, part: parts_pb2.Part) -> dict[str, Any]:
        inner = {"outcome": part.code_outcome.outcome or "OUTCOME_OK"}
        if part.code_outcome.output:
            inner["output"] = part.code_outcome.output
        if part.code_outcome.id:
            inner["id"] = part.code_outcome.id
        return {"codeExecutionResult": inner}

    def _opaque(self, part: parts_pb2.Part) -> dict[str, Any] | None:
        if part.opaque.dialect != DIALECT:
            return None
        made: dict[str, Any] = orjson.loads(part.opaque.json)
        return made

    # -- results ------------------------------------------------------------------------------

    def _result(self, part: parts_pb2.Part, late: list[dict[str, Any]]) -> dict[str, Any]:
        """A functionResponse; media go into it where the model can read them there, else behind it."""
        result = part.tool_result
        own = result.call_id
        inner: dict[str, Any] = {"name": result.name or self._names.get(result.call_id, "")}
        if not inner["name"]:
            raise InvalidRequest(
                f"The tool result names the call {own}, which is not in the conversation.", param="messages"
            )
        if own and not own.startswith(carry.MADE):
            inner["id"] = own
        media = [piece for piece in result.content if piece.WhichOneof("kind") in _DEFAULT_TYPES]
        inner["response"] = self._response(result)
        pieces = [made for piece in media for made in self._part(piece)]
        if pieces and self._media_in_results:
            inner["parts"] = pieces
        else:
            late += pieces
        if result.scheduling:
            inner["scheduling"] = result.scheduling
        made: dict[str, Any] = {"functionResponse": inner}
        self._extend(made, part.extensions.by_dialect)
        return made

    def _response(self, result: parts_pb2.ToolResult) -> Any:
        """The response object: the result's own, or its text as output or error."""
        if result.json:
            parsed = _loads(result.json)
            return orjson.Fragment(result.json) if isinstance(parsed, dict) else {"output": parsed}
        texts: list[str] = []
        for piece in result.content:
            kind = piece.WhichOneof("kind")
            if kind in _DEFAULT_TYPES:
                continue
            made = self._part(piece)
            texts += [each["text"] for each in made if "text" in each]
        text = "\n".join(texts)
        parsed = _loads(text.encode())
        if result.is_error:
            return {"error": parsed if isinstance(parsed, dict | list) else text}
        if isinstance(parsed, dict):
            return orjson.Fragment(text.encode())
        return {"output": parsed if isinstance(parsed, list) else text}

    # -- media --------------------------------------------------------------------------------

    def _media(self, media: parts_pb2.Media, kind: str, default: str = "") -> dict[str, Any]:
        """As inlineData or fileData."""
        source = media.WhichOneof("source")
        mime = media.mime_type
        if source in ("url", "file_id"):
            address = media.url or media.file_id
            guessed = mimetypes.guess_type(address.partition("?")[0])[0] if source == "url" else None
            inner = {"fileUri": address}
            if mime or guessed or kind in ("image", "audio"):
                inner["mimeType"] = mime or guessed or default or _DEFAULT_TYPES[kind]
            return {"fileData": inner}
        data = base64_of(media, self._call)
        return {"inlineData": {"mimeType": mime or default or _DEFAULT_TYPES[kind], "data": data}}


def _turns(messages: Sequence[chat_pb2.Message]) -> list[tuple[chat_pb2.Message, list[parts_pb2.Part]]]:
    """Each message with its parts; results that came as messages of their own are one turn."""
    turns: list[tuple[chat_pb2.Message, list[parts_pb2.Part]]] = []
    for message in messages:
        if turns and message.role == turns[-1][0].role == chat_pb2.ROLE_TOOL:
            turns[-1][1].extend(message.parts)
        else:
            turns.append((message, list(message.parts)))
    return turns


def _merge(made: dict[str, Any], extra: dict[str, Any]) -> None:
    """Adds members that are not there, one level down too."""
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(made.get(key), dict):
            made[key] = {**value, **made[key]}
        else:
            made.setdefault(key, value)


def _loads(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _arguments(text: str) -> Any:
    """The arguments as the object they are; text that is none is put into one."""
    parsed = _loads(text.encode())
    return orjson.Fragment(text.encode()) if isinstance(parsed, dict) else {"input": text}
