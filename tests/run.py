"""`make test`: the whole suite, Python's part on two processes, then npm's SDKs as clients.

Everything is started by the tests themselves, on free ports. Exits non-zero when
any part fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.npm import node

ROOT = Path(__file__).resolve().parent.parent
NPM = ROOT / "tests" / "npm"
FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
AGAIN_MOST = 5
"""Failures that may be the machine's; more are ours."""


def run(*command: str, cwd: Path = ROOT) -> int:
    """Runs a command, its output where ours goes."""
    print("$", *command, flush=True)
    return subprocess.run(command, cwd=cwd, check=False).returncode


def _packages(lock: Path) -> dict[str, Any]:
    """What a lock file locks; nothing where there is none."""
    packages: dict[str, Any] = json.loads(lock.read_text())["packages"] if lock.exists() else {}
    return {name: package["version"] for name, package in packages.items() if name}


def npm() -> int:
    """The official SDKs of npm as clients."""
    command = node.use()
    if _packages(NPM / "node_modules" / ".package-lock.json") != _packages(NPM / "package-lock.json"):
        status = run(*command, "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=NPM)
        if status:
            return status
    return run(sys.executable, "-m", "tests.npm.run")


def python() -> int:
    """Python's part. A few that failed beside the others are run once more, alone: twice failed is failed.

    Two gateways, three databases and a browser share the machine with the tests; what passes only alone is named.
    """
    status = run(sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-q", *sys.argv[1:])
    failed = sorted(json.loads(FAILED.read_text())) if status == 1 and FAILED.is_file() else []
    if not 0 < len(failed) <= AGAIN_MOST:
        return status
    print("once more, alone:", *failed, sep="\n  ", flush=True)
    again = run(
        sys.executable, "-m", "pytest", "-q", "--last-failed", "--last-failed-no-failures", "none", *sys.argv[1:]
    )
    if again == 0:
        print("passed only alone:", *failed, sep="\n  ", flush=True)
    return again


def main() -> int:
    """Runs both parts."""
    status = python()
    if status == 0 and NPM.exists() and not sys.argv[1:]:
        status = npm()
    return status


if __name__ == "__main__":
    sys.exit(main())
