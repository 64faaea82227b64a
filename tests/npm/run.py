"""Starts a gateway and runs the openai package of npm against it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.integration.house import house


def main() -> int:
    """The exit status of node's test runner."""
    with tempfile.TemporaryDirectory(prefix="isthmus-npm-") as folder, house(Path(folder)) as made:
        made.add_channel()
        for number, model in ((40, "deepseek-reasoner"), (14, "gpt-4.1-nano"), (24, "gemini-2.5-flash")):
            made.add_channel(type=number, models=model)
        _, key = made.add_key()
        return subprocess.run(
            ["node", "--test", "--test-reporter=spec", "openai.test.mjs", "responses.test.mjs"],
            cwd=Path(__file__).parent,
            env={
                **os.environ,
                "ISTHMUS_BASE": made.base + "/v1",
                "ISTHMUS_KEY": key,
                "ISTHMUS_RESPONSES_MODELS": "gpt-4o,deepseek-reasoner,gpt-4.1-nano,gemini-2.5-flash",
            },
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
