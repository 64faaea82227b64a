"""`make test`: the whole suite, Python's part on two processes, then npm's SDK as a client.

Everything is started by the tests themselves, on free ports. Exits non-zero when
any part fails.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NPM = ROOT / "tests" / "npm"


def run(*command: str, cwd: Path = ROOT) -> int:
    """Runs a command, its output where ours goes."""
    print("$", *command, flush=True)
    return subprocess.run(command, cwd=cwd, check=False).returncode


def npm() -> int:
    """The openai package of npm as a client."""
    if shutil.which("npm") is None:
        print("npm is needed for the JavaScript SDK's tests: apt-get install nodejs npm", file=sys.stderr)
        return 1
    if not (NPM / "node_modules" / "openai").exists():
        status = run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=NPM)
        if status:
            return status
    return run(sys.executable, "-m", "tests.npm.run")


def main() -> int:
    """Runs both parts."""
    status = run(sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "-q", *sys.argv[1:])
    if status == 0 and NPM.exists() and not sys.argv[1:]:
        status = npm()
    return status


if __name__ == "__main__":
    sys.exit(main())
