"""Gemini's embedContent and batchEmbedContents: bodies -> canonical, and answers back."""

from __future__ import annotations

from array import array
from typing import Any

import orjson
from isthmus.v1 import common_pb2, embedding_pb2

from front.dialects.gemini.parts import Ids, part, pick
from front.dialects.strict import whole
from front.errors import bad

FORM = "gemini.embed"
MOST_INPUTS = 8192
TASKS = {
    "RETRIEVAL_QUERY": "query", "RETRIEVAL_DOCUMENT": "document", "SEMANTIC_SIMILARITY": "similarity",
    "CLASSIFICATION": "classification", "CLUSTERING": "clustering", "QUESTION_ANSWERING": "question_answering",
    "FACT_VERIFICATION": "fact_verification", "CODE_RETRIEVAL_QUERY": "code_query",
}  # fmt: skip
"""What an embedding is for, in canonical words; other words stay as they are, in small letters."""


def parse(
    source: dict[str, Any], raw: bytes, model: str, path: str, batch: bool
) -> tuple[common_pb2.Envelope, embedding_pb2.Embedding]:
    """The envelope and the canonical request. Consumes source. Raises FrontError 400."""
    requests = pick(source, "requests", list) if batch else [source]
    if not requests:
        raise bad("requests must be an array with at least one request.", "requests")
    if len(requests) > MOST_INPUTS:
        raise bad(f"requests has more than {MOST_INPUTS} entries.", "requests")
    found = embedding_pb2.Embedding(single=not batch)
    settings = [_input(found, item, f"requests[{at}]." if batch else "", raw) for at, item in enumerate(requests)]
    task, title, size, extra = settings[0]
    if any(each != settings[0] for each in settings):
        # One message has one task for all its inputs: what differs goes back to this form alone.
        extra = {"requests": [_own(*each) for each in settings]}
    found.task_type = TASKS.get(task, task.lower())
    found.title = title
    if size is not None:
        found.dimensions = size
    found.extensions.by_dialect[FORM] = orjson.dumps(extra)
    return common_pb2.Envelope(operation=common_pb2.OPERATION_EMBEDDING, model=model, path=path), found


def _input(
    found: embedding_pb2.Embedding, item: Any, path: str, raw: bytes
) -> tuple[str, str, int | None, dict[str, Any]]:
    """Adds one input; gives its task, title, size, and what nobody knows."""
    if not isinstance(item, dict):
        raise bad(f"{path.rstrip('.')} must be an object.", path.rstrip("."))
    item.pop("model", None)
    content = item.pop("content", None)
    content = {"parts": [{"text": content}]} if isinstance(content, str) else content
    parts = content.get("parts") if isinstance(content, dict) else None
    parts = [parts] if isinstance(parts, dict) else parts
    if not isinstance(parts, list) or not parts:
        raise bad(f"{path}content.parts must be an array with at least one part.", path + "content")
    target = found.inputs.add()
    if len(parts) == 1 and isinstance(parts[0], dict) and set(parts[0]) == {"text"}:
        text = parts[0]["text"]
        if not isinstance(text, str):
            raise bad(f"{path}content.parts[0].text must be a string.", path + "content")
        target.text = text
    else:
        ids = Ids()
        for at, each in enumerate(parts):
            part(target.parts.parts.add(), each, f"{path}content.parts[{at}]", raw, ids)
    task = pick(item, "taskType", str, path) or ""
    title = pick(item, "title", str, path) or ""
    if "output_dimensionality" in item:
        item["outputDimensionality"] = item.pop("output_dimensionality")
    size = whole(item, "outputDimensionality", 1, 1 << 20, path)
    extra = {name: value for name, value in item.items() if value is not None}
    return task, title, size, extra


def _own(task: str, title: str, size: int | None, extra: dict[str, Any]) -> dict[str, Any]:
    """The settings of one request, as they came."""
    told = {"taskType": task, "title": title, "outputDimensionality": size, **extra}
    return {name: value for name, value in told.items() if value}


def render(answer: embedding_pb2.EmbedResponse, asked: embedding_pb2.Embedding) -> bytes:
    """One embedding, or the list of a batch."""
    found = [{"values": _values(vector)} for vector in sorted(answer.vectors, key=lambda vector: vector.index)]
    body: dict[str, Any] = {"embedding": found[0]} if asked.single and found else {"embeddings": found}
    if answer.usage.input_tokens:
        body["usageMetadata"] = {"promptTokenCount": answer.usage.input_tokens}
    return orjson.dumps(body)


def _values(vector: embedding_pb2.EmbeddingVector) -> list[float]:
    if not vector.packed:
        return list(vector.values)
    return array("f", vector.packed).tolist() if vector.encoding in ("base64", "float") else list(vector.packed)
