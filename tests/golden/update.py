"""Writes the expected files of golden cases anew: `python -m tests.golden.update [PART OF A NAME ...]`.

What it writes is what the code does, not what is right: read the diff before it is committed.
"""

from __future__ import annotations

import json
import sys

from tests.golden.cases import all_cases


def main(parts: list[str]) -> None:
    """Writes the cases whose name holds one of the parts, or all."""
    for case in all_cases():
        if parts and not any(part in case.name for part in parts):
            continue
        for end, content in case.made().items():
            path = case.file(end)
            text = content
            if end.endswith("json"):
                text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
            if not path.exists() or path.read_bytes() != text.encode():
                path.write_bytes(text.encode())
                print("wrote", path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
