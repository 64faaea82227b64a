"""Resolves setup.cfg, clients/python/setup.cfg and requirements/*.in into requirements/*.lock.

`make lock` runs it. Every line of a lock carries hashes; `make setup` installs
nothing that is not in it. `--keep` keeps the versions of today's locks where they still fit.
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


def resolve(lines: list[str], lock: Path, keep: bool) -> None:
    """Writes what ``lines`` ask for, with all that it rests on, to ``lock``."""
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
        "--generate-hashes", "--no-header", *([] if keep else ["--upgrade"]), "--output-file", str(lock), "-",
    ]  # fmt: skip
    subprocess.run(command, input="\n".join(lines), text=True, check=True)


def main() -> None:
    """Writes requirements/dev.lock and requirements/users.lock."""
    keep = "--keep" in sys.argv[1:]
    product = install_requires(ROOT / "setup.cfg") + install_requires(ROOT / "clients/python/setup.cfg")
    resolve([*product, (REQUIREMENTS / "dev.in").read_text()], REQUIREMENTS / "dev.lock", keep)
    resolve([(REQUIREMENTS / "users.in").read_text()], REQUIREMENTS / "users.lock", keep)


if __name__ == "__main__":
    main()
