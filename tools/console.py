"""Builds the console: front/console -> front/static, which the gateway serves and the wheel carries.

`python -m tools.console` installs the locked packages, makes the types of the payloads from front/rest/schemas,
checks the types and bundles. It does nothing when no source changed since the last build; two builds wait for each
other.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.npm import node

ROOT = Path(__file__).resolve().parent.parent
CONSOLE = ROOT / "front" / "console"
SCHEMAS = ROOT / "front" / "rest" / "schemas"
OUT = ROOT / "front" / "static"
STAMP = OUT / ".stamp"
SKIPPED = frozenset({"node_modules", "dist", ".vite"})
MADE = CONSOLE / "src" / "api" / "payloads.ts"


def sources() -> Iterator[Path]:
    """Every file the bundle depends on, in order."""
    for path in sorted([*CONSOLE.rglob("*"), *SCHEMAS.glob("*.json")]):
        if path.is_file() and path != MADE and not SKIPPED.intersection(path.relative_to(ROOT).parts):
            yield path


def digest() -> str:
    """What the sources are now."""
    found = hashlib.sha256()
    for path in sources():
        found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def built() -> bool:
    """Whether front/static is what the sources give."""
    return STAMP.is_file() and STAMP.read_text() == digest()


def _run(*command: str) -> None:
    print("$", *command, flush=True)
    subprocess.run(command, cwd=CONSOLE, check=True)


def _packages(lock: Path) -> dict[str, Any]:
    """Package -> version of a lock; those that do not fit this machine left out."""
    packages: dict[str, Any] = json.loads(lock.read_text())["packages"] if lock.exists() else {}
    return {name: row["version"] for name, row in packages.items() if name and not row.get("optional")}


def install() -> None:
    """The locked packages, where they are not there yet."""
    if _packages(CONSOLE / "node_modules" / ".package-lock.json") != _packages(CONSOLE / "package-lock.json"):
        _run(*node.use(), "ci", "--no-audit", "--no-fund", "--ignore-scripts")


def types() -> None:
    """src/api/payloads.ts, of the schemas."""
    node.use()
    _run("node", "tools/types.mjs")


def build() -> None:
    """Installs, makes types, checks, bundles."""
    install()
    types()
    _run("node", "node_modules/typescript/bin/tsc", "--noEmit")
    wanted = digest()
    _run("node", "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn")
    STAMP.write_text(wanted)


def main() -> int:
    """Builds when needed; --force: always."""
    node.use()
    with (CONSOLE / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if built() and "--force" not in sys.argv[1:]:
            return 0
        build()
    return 0


if __name__ == "__main__":
    sys.exit(main())
