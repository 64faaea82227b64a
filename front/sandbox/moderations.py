"""OpenAI's moderations.

https://platform.openai.com/docs/api-reference/moderations
"""

from __future__ import annotations

from typing import Any

from front.sandbox.controls import parse
from front.sandbox.forms import Refused, Reply, Request, not_served, texts_of
from front.sandbox.openai import error

__all__ = ["error", "serve"]
CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
KNOWN = frozenset(("input", "model"))


def serve(request: Request) -> Reply:
    """POST /v1/moderations: a category is met where its first word is in the text; as a Form."""
    if request.method != "POST":
        raise not_served(request)
    for name in request.body:
        if name not in KNOWN:
            raise Refused(f"Unrecognized request argument supplied: {name}", param=name)
    given = request.body.get("input")
    if not given or not isinstance(given, str | list):
        raise Refused("input must not be empty", param="input")
    texts = given if isinstance(given, list) and all(isinstance(each, str) for each in given) else [texts_of(given)]
    controls, _ = parse(texts[-1], request.order)
    results = [_result(text) for text in texts]
    return Reply({"id": "modr-sandbox", "model": request.body.get("model"), "results": results}, controls=controls)


def _result(text: str) -> dict[str, Any]:
    met = {name: name in text.lower() for name in CATEGORIES}
    return {
        "flagged": any(met.values()),
        "categories": met,
        "category_scores": {name: 0.9 if found else 0.01 for name, found in met.items()},
        "category_applied_input_types": {name: ["text"] for name in met},
    }
