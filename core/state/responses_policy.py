"""New API's policy: OpenAI-shaped vendors are asked in the Responses form instead of chat, for models with no other."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

NAME = "global.chat_completions_to_responses_policy"
DEFAULT = '{"enabled":false,"all_channels":true}'


@dataclass(frozen=True, slots=True)
class ResponsesPolicy:
    """Which channels and models it is for. Without patterns it is for no model."""

    enabled: bool
    all_channels: bool
    channel_ids: frozenset[int]
    channel_types: frozenset[int]
    model_patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def parse(cls, value: str) -> ResponsesPolicy:
        """From the option's JSON. Raises ValueError with what is wrong."""
        parsed = json.loads(value or "{}")
        if not isinstance(parsed, dict):
            raise ValueError("a JSON object is wanted")
        for name in ("enabled", "all_channels"):
            if not isinstance(parsed.get(name, False), bool):
                raise ValueError(f"{name} needs true or false")
        patterns = parsed.get("model_patterns") or []
        if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
            raise ValueError("model_patterns needs an array of texts")
        try:
            compiled = tuple(re.compile(pattern) for pattern in patterns)
        except re.error as error:
            raise ValueError(f"model_patterns: {error}") from error
        return cls(
            enabled=parsed.get("enabled", False),
            all_channels=parsed.get("all_channels", True),
            channel_ids=_numbers(parsed, "channel_ids"),
            channel_types=_numbers(parsed, "channel_types"),
            model_patterns=compiled,
        )

    def covers(self, channel_id: int, channel_type: int, model: str) -> bool:
        """Whether a channel is asked in the Responses form for a model."""
        if not self.enabled:
            return False
        listed = self.all_channels or channel_id in self.channel_ids or channel_type in self.channel_types
        return listed and any(pattern.search(model) for pattern in self.model_patterns)


def _numbers(parsed: dict[str, object], name: str) -> frozenset[int]:
    found = parsed.get(name) or []
    if not isinstance(found, list) or not all(type(number) is int for number in found):
        raise ValueError(f"{name} needs an array of whole numbers")
    return frozenset(found)
