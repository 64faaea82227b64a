"""Starts a gateway whose channels each speak one vendor form, and runs the official SDKs of npm against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.integration.house import house
from tests.npm import node

HERE = Path(__file__).parent
CHANNELS = {
    # form -> the channel's type, and models that only this channel serves
    "openai": (1, ("gpt-4o",)),
    "anthropic": (14, ("claude-haiku-4-5", "claude-sonnet-5-5")),
    "gemini": (24, ("gemini-2.5-flash", "gemini-3-pro")),
}
CHAT_ONLY = "deepseek-reasoner"
"""Of OpenAI's form, but without Responses: those are converted."""
COHERE, MISTRAL = "command-a-03-2025", "mistral-small-latest"
"""Of vendors whose own SDKs are clients, too."""
EMBEDDINGS = {1: "text-embedding-3-small", 24: "gemini-embedding-001"}


def main() -> int:
    """The exit status of node's test runner."""
    node.use()
    with tempfile.TemporaryDirectory(prefix="isthmus-npm-") as folder, house(Path(folder)) as made:
        made.option("SelfUseModeEnabled", "true")
        for number, models in CHANNELS.values():
            made.add_channel(type=number, models=",".join((*models, *filter(None, [EMBEDDINGS.get(number)]))))
        for number, model in ((40, CHAT_ONLY), (34, COHERE), (42, f"{MISTRAL},mistral-embed")):
            made.add_channel(type=number, models=model)
        _, key = made.add_key(unlimited_quota=True)
        return subprocess.run(
            ["node", "--test", "--test-reporter=spec", *sorted(path.name for path in HERE.glob("*.test.mjs"))],
            cwd=HERE,
            env={
                **os.environ,
                "ISTHMUS_BASE": made.base,
                "ISTHMUS_KEY": key,
                "ISTHMUS_FORMS": json.dumps({form: models for form, (_, models) in CHANNELS.items()}),
                "ISTHMUS_CHAT_ONLY": CHAT_ONLY,
                "ISTHMUS_COHERE": COHERE,
                "ISTHMUS_MISTRAL": MISTRAL,
                "ISTHMUS_EMBEDDINGS": ",".join(EMBEDDINGS.values()),
            },
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
