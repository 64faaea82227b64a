"""Reads the input items of OpenAI Responses, as strictly as the vendor where gateways are known to stumble."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from front.sandbox.answer import Question
from front.sandbox.controls import parse
from front.sandbox.forms import Refused, dicts, number, picture_bytes, texts_of
from front.sandbox.sign import holds

LEAST_OUTPUT = 16
"""max_output_tokens may not be less."""
ABSENT = {
    "previous_response_id": "Previous response with id '{}' not found. The Sandbox keeps no responses.",
    "conversation": "Conversation with id '{}' not found. The Sandbox keeps no conversations.",
    "background": "The Sandbox answers at once: background is not supported.",
}
"""Fields that need a memory, which the Sandbox has not."""


@dataclass(slots=True)
class _Reader:
    """What the items held; a walk over them fills it."""

    texts: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    last: str = ""
    open: dict[str, None] = field(default_factory=dict)
    """Ids of calls without an output, in their order."""

    def item(self, at: int, item: dict[str, Any], after: dict[str, Any] | None) -> None:
        """One input item; after is the next one. Raises Refused."""
        kind = item.get("type") or ("message" if "role" in item else None)
        if kind == "message":
            self._message(at, item)
        elif kind == "function_call":
            self.open[_text(item, "call_id", at)] = None
            self.texts.append("")
        elif kind == "function_call_output":
            self._output(at, item)
        elif kind == "reasoning":
            _check_reasoning(item, after)
        elif kind == "item_reference":
            raise Refused(f"Item with id '{item.get('id')}' not found.", 404, param="input")
        elif kind is None:
            raise Refused(f"Missing required parameter: 'input[{at}].type'.", param=f"input[{at}].type")

    def _message(self, at: int, item: dict[str, Any]) -> None:
        role, content = item.get("role"), item.get("content")
        if role not in ("user", "assistant", "system", "developer"):
            raise Refused(f"Invalid value: '{role}'.", code="invalid_value", param=f"input[{at}].role")
        self.texts.append(self._content(f"input[{at}].content", content, "output" if role == "assistant" else "input"))
        if role == "user":
            self.last, self.results = self.texts[-1], []

    def _content(self, place: str, content: Any, side: str) -> str:
        """The text of a content, whose pictures are kept. Raises Refused."""
        if isinstance(content, str):
            return content
        for part in dicts(content, place):
            kind = str(part.get("type"))
            if kind == "input_image":
                self._image(place, part)
            elif kind != "refusal" and not kind.startswith(side):
                raise Refused(f"Invalid value: '{kind}'.", code="invalid_value", param=place)
        return texts_of(content)

    def _image(self, place: str, part: dict[str, Any]) -> None:
        url = part.get("image_url")
        if not isinstance(url, str) and not part.get("file_id"):
            raise Refused(f"Invalid type for '{place}.image_url': expected an image URL as a text.", param=place)
        self.images.append(picture_bytes(url) if isinstance(url, str) else 0)

    def _output(self, at: int, item: dict[str, Any]) -> None:
        name = _text(item, "call_id", at)
        if name not in self.open:
            raise Refused(f"No tool call found for function call output with call_id {name}.", param="input")
        del self.open[name]
        if item.get("output") is None:
            raise Refused(f"Missing required parameter: 'input[{at}].output'.", param=f"input[{at}].output")
        self.results.append(self._content(f"input[{at}].output", item["output"], "input"))
        self.texts.append(self.results[-1])


def _text(item: dict[str, Any], name: str, at: int) -> str:
    """A member that has to be there. Raises Refused."""
    value = item.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(f"Missing required parameter: 'input[{at}].{name}'.", param=f"input[{at}].{name}")
    return value


def _check_reasoning(item: dict[str, Any], after: dict[str, Any] | None) -> None:
    """A thought comes with what it led to, and its encrypted content as it was given, for this item. Raises Refused."""
    name, sealed = item.get("id"), item.get("encrypted_content")
    if sealed is not None and not holds("reasoning", name if isinstance(name, str) and name else None, sealed):
        raise Refused(f"The encrypted content for item {name} could not be verified.", code="invalid_encrypted_content")
    if after is None or after.get("role") in ("user", "system", "developer"):
        raise Refused(
            f"Item '{name}' of type 'reasoning' was provided without its required following item.", param="input"
        )


def question(body: dict[str, Any], header: str) -> Question:
    """The question of a request. Raises Refused."""
    for name, words in ABSENT.items():
        if value := body.get(name):
            known = value.get("id") if isinstance(value, dict) else value
            code = "previous_response_not_found" if name == "previous_response_id" else None
            raise Refused(words.format(known), code=code, param=name)
    if not isinstance(body.get("model"), str):
        raise Refused("Missing required parameter: 'model'.", code="missing_required_parameter", param="model")
    given = body.get("input")
    if not given:
        raise Refused("Missing required parameter: 'input'.", code="missing_required_parameter", param="input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else dicts(given, "input")
    reader = _Reader()
    if body.get("instructions"):
        reader.texts.append(str(body["instructions"]))
    for at, item in enumerate(items):
        reader.item(at, item, items[at + 1] if at + 1 < len(items) else None)
    if reader.open:
        raise Refused(f"No tool output found for function call {next(iter(reader.open))}.", param="input")
    controls, last = parse(reader.last, header)
    tools, chosen = _tools(body), body.get("tool_choice")
    if isinstance(chosen, dict) and chosen.get("type") == "allowed_tools":
        allowed = [tool.get("name") for tool in dicts(chosen.get("tools"), "tool_choice.tools")]
        tools = {name: tools[name] for name in tools if name in allowed}
        chosen = chosen.get("mode")
    form, reasoning = (body.get("text") or {}).get("format") or {}, body.get("reasoning") or {}
    limit = number(body, "max_output_tokens", 0)
    if body.get("max_output_tokens") is not None and limit < LEAST_OUTPUT:
        raise Refused(
            f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {LEAST_OUTPUT}, but got "
            f"{limit} instead.",
            code="integer_below_min_value",
            param="max_output_tokens",
        )
    return Question(
        model=body["model"],
        text=last,
        prompt="\n".join(reader.texts),
        controls=controls,
        stream=bool(body.get("stream")),
        images=reader.images,
        results=reader.results,
        tools=tools,
        must=chosen == "required",
        only=str(chosen.get("name") or "") if isinstance(chosen, dict) else "",
        no_tools=chosen == "none",
        single=body.get("parallel_tool_calls") is False,
        json_object=form.get("type") == "json_object",
        schema=form.get("schema") if form.get("type") == "json_schema" else None,
        logprobs="message.output_text.logprobs" in (body.get("include") or ()),
        limit=limit,
        thinking=reasoning.get("effort") not in (None, "none") or bool(reasoning.get("summary")),
    )


def _tools(body: dict[str, Any]) -> dict[str, Any]:
    """Name and schema of each function; the vendor's own tools are accepted and never used."""
    out = {}
    for at, tool in enumerate(dicts(body.get("tools"), "tools")):
        if tool.get("type") != "function":
            continue
        if not isinstance(tool.get("name"), str):
            # What a gateway sends that passes Chat's nested form on.
            name = f"tools[{at}].name"
            raise Refused(f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
        out[tool["name"]] = tool.get("parameters") or {}
    return out
