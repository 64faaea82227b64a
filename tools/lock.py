"""Resolves setup.cfg, clients/python/setup.cfg and requirements/dev.in into requirements/*.lock.

`make lock` runs it. Every line of a lock carries hashes; `make setup` installs
nothing that is not in it.
"""

import configparser
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"


def install_requires(path: Path) -> list[str]:
    """The requirement lines of a setup.cfg, our own SDK left out."""
    config = configparser.ConfigParser()
    config.read(path)
    lines = config["options"]["install_requires"].splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("isthmus-sdk")]


def main() -> None:
    """Writes requirements/dev.lock."""
    product = install_requires(ROOT / "setup.cfg") + install_requires(ROOT / "clients/python/setup.cfg")
    merged = "\n".join([*product, (REQUIREMENTS / "dev.in").read_text()])
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
        "--generate-hashes", "--no-header", "--upgrade", "--output-file", str(REQUIREMENTS / "dev.lock"), "-",
    ]  # fmt: skip
    subprocess.run(command, input=merged, text=True, check=True)


if __name__ == "__main__":
    main()
