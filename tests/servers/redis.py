"""A throw-away Redis on a free port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest
import redis

from tests.integration.house import free_port

START_SECONDS = 30.0


class Server:
    """A server that tests stop and start again."""

    def __init__(self, binary: str, folder: str) -> None:
        self.port = free_port()
        self.address = f"redis://127.0.0.1:{self.port}/0"
        self._command = [
            binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder,
        ]  # fmt: skip

    def start(self) -> None:
        """Until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        client = redis.Redis(port=self.port)
        with contextlib.closing(client):
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError:
                    if self._process.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError("Redis did not start") from None
                    time.sleep(0.02)

    def stop(self) -> None:
        """To its end, as a machine that is gone."""
        self._process.kill()
        self._process.wait()

    def hang(self, stopped: bool) -> None:
        """It takes connections and answers nothing; or goes on."""
        self._process.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)


@contextlib.contextmanager
def redis_server() -> Iterator[Server]:
    """For the time of the block. Skips where Redis is not on the machine (fails in CI)."""
    binary = shutil.which("redis-server")
    if binary is None:
        if os.environ.get("CI"):
            raise RuntimeError("redis-server is needed for these tests: apt-get install redis-server")
        pytest.skip("redis-server is not on this machine: apt-get install redis-server")
    folder = tempfile.mkdtemp(prefix="isthmus-redis-")
    server = Server(binary, folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
