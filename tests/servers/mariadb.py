"""A throw-away MariaDB: a fresh data folder, on a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest

from tests.integration.house import free_port

PLACES = ("/usr/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
START_SECONDS = 60.0
USER, PASSWORD, NAME = "isthmus", "p@ss:word/1", "isthmus"
"""What a DSN must be able to hold."""


def _binary(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join((*PLACES, os.environ.get("PATH", ""))))
    if found is None:
        if os.environ.get("CI"):
            raise RuntimeError(f"{name} is needed for these tests: apt-get install mariadb-server")
        pytest.skip(f"{name} is not on this machine: apt-get install mariadb-server")
    return found


def _demote() -> tuple[list[str], int | None]:
    """MariaDB does not serve root: who it runs as, and how."""
    if os.geteuid() != 0:
        return [], None
    for name in ("mysql", "nobody"):
        with contextlib.suppress(KeyError):
            return ["setpriv", f"--reuid={name}", "--clear-groups", "--"], pwd.getpwnam(name).pw_uid
    raise RuntimeError("no account to run MariaDB as")


class Server:
    """A running server: port, and what tests do to it."""

    def __init__(self, command: list[str], folder: Path, port: int) -> None:
        self._command, self._folder, self.port = command, folder, port
        self.dsn = f"mysql://{USER}:p%40ss%3Aword%2F1@127.0.0.1:{port}/{NAME}"
        self.go_dsn = f"{USER}:{PASSWORD}@tcp(127.0.0.1:{port})/{NAME}?charset=utf8mb4&parseTime=True&loc=Local"

    def start(self) -> None:
        """Until it answers."""
        log = self._folder / "log"
        with log.open("ab") as out:
            self._server = subprocess.Popen(self._command, stdout=out, stderr=out, cwd=self._folder)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
                return
            except pymysql.Error:
                if self._server.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(f"MariaDB did not start: {log.read_text()[-2000:]}") from None
                time.sleep(0.05)

    def stop(self, hard: bool = False) -> None:
        """To its end."""
        self._server.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
        try:
            self._server.wait(30)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def execute(self, *statements: str, database: str | None = None) -> list[tuple[object, ...]]:
        """Runs statements as the server's administrator; the rows of the last."""
        socket = str(self._folder / "sock")
        admin = pymysql.connect(unix_socket=socket, user="admin", database=database, autocommit=True, charset="utf8mb4")
        with contextlib.closing(admin) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def clear(self) -> None:
        """An empty database."""
        self.execute(f"DROP DATABASE IF EXISTS {NAME}", f"CREATE DATABASE {NAME} CHARACTER SET latin1")


@contextlib.contextmanager
def mariadb_server() -> Iterator[Server]:
    """For the time of the block. Skips where MariaDB is not on the machine (fails in CI)."""
    daemon, install = _binary("mariadbd"), _binary("mariadb-install-db")
    prefix, uid = _demote()
    folder = Path(tempfile.mkdtemp(prefix="isthmus-my-"))
    if uid is not None:
        os.chown(folder, uid, -1)
    data = folder / "data"
    options = ["--no-defaults", f"--datadir={data}"]
    try:
        subprocess.run(
            [*prefix, install, *options, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        # One statement a line. Nobody of the machine has this name: tests speak as it over the socket, the gateway by TCP.
        first = folder / "first.sql"
        first.write_text(
            "CREATE USER IF NOT EXISTS admin@localhost;\nGRANT ALL ON *.* TO admin@localhost WITH GRANT OPTION;\n"
            f"CREATE DATABASE IF NOT EXISTS {NAME} CHARACTER SET latin1;\n"
            f"CREATE USER IF NOT EXISTS {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO {USER}@'127.0.0.1';\n"
        )
        port = free_port()
        command = [
            *prefix, daemon, *options, f"--socket={folder / 'sock'}", f"--port={port}", "--bind-address=127.0.0.1",
            # 2: what was committed survives a SIGKILL, which tests send, if not the machine's end.
            f"--init-file={first}", "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0",
            "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--max-connections=100",
        ]  # fmt: skip
        server = Server(command, folder, port)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    """Its DSN, for the time of the block."""
    with mariadb_server() as server:
        yield server.dsn
