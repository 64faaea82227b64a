"""A real gateway and a real Sandbox as processes, on free ports, for integration tests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PASSWORD = "correct-horse-7"
START_SECONDS = 30.0


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Reply:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def http(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
    """One exchange; error statuses are answers, too."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data, sent, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until the address answers anything."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            http("GET", url)
            return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"{url}: process ended with {process.returncode}") from None
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def process(*arguments: str, environ: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A child for the time of the block."""
    child = subprocess.Popen([sys.executable, "-m", *arguments], env={**os.environ, **(environ or {})})
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@dataclass
class House:
    """A running gateway with an administrator who is signed in."""

    base: str
    grpc: str
    sandbox: str
    data: Path
    gateway: subprocess.Popen[bytes]
    root_id: int = 0
    access_token: str = ""
    channels: list[int] = field(default_factory=list)

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        """A management route as root: its data. Fails where success is false."""
        headers = {"Authorization": self.access_token, "New-Api-User": str(self.root_id)}
        reply = http(method, self.base + path, body, headers)
        answer = reply.json()
        assert answer.get("success"), (method, path, reply.status, answer)
        return answer.get("data")

    def set_up(self) -> None:
        """First administrator and access token."""
        reply = http(
            "POST",
            self.base + "/api/setup",
            {"username": "root", "password": PASSWORD, "confirmPassword": PASSWORD},
        )
        assert reply.json()["success"], reply.body
        reply = http("POST", self.base + "/api/user/login", {"username": "root", "password": PASSWORD})
        self.root_id = reply.json()["data"]["id"]
        cookie = reply.headers["set-cookie"].split(";")[0]
        headers = {"Cookie": cookie, "New-Api-User": str(self.root_id)}
        self.access_token = http("GET", self.base + "/api/user/token", headers=headers).json()["data"]

    def add_channel(self, **fields: Any) -> int:
        """A Sandbox channel; returns its id."""
        channel = {
            "type": 1000,
            "name": f"sandbox-{len(self.channels)}",
            "key": "sandbox-key",
            "base_url": self.sandbox,
            "models": "gpt-4o,gpt-4o-mini,text-embedding-3-small",
            "group": "default",
            **fields,
        }
        self.manage("POST", "/api/channel/", {"mode": "single", "channel": channel})
        newest = max(item["id"] for item in self.manage("GET", "/api/channel/?p=1&page_size=100")["items"])
        self.channels.append(newest)
        # Only the worker that was asked knows it at once; the others read the change feed every 250 ms.
        time.sleep(0.8)
        return int(newest)

    def add_key(self, **fields: Any) -> tuple[int, str]:
        """A key of root's: id and secret with sk-."""
        token = {"name": "test", "expired_time": -1, "remain_quota": 10_000_000, "unlimited_quota": False}
        self.manage("POST", "/api/token/", {**token, **fields})
        newest = max(self.manage("GET", "/api/token/?p=1&page_size=100")["items"], key=lambda item: item["id"])
        secret = self.manage("POST", f"/api/token/{newest['id']}/key")["key"]
        return int(newest["id"]), "sk-" + str(secret).removeprefix("sk-")

    def token(self, key_id: int) -> Any:
        """The key as the management API shows it."""
        return self.manage("GET", f"/api/token/{key_id}")


@contextlib.contextmanager
def house(data: Path, workers: int = 1, environ: dict[str, str] | None = None, sandbox: str = "") -> Iterator[House]:
    """A Sandbox and a gateway; set up, without channels and keys."""
    with contextlib.ExitStack() as stack:
        if not sandbox:
            port = free_port()
            child = stack.enter_context(process("front.sandbox", "--port", str(port)))
            sandbox = f"http://127.0.0.1:{port}"
            wait_for(sandbox + "/v1/models", child)
        port, grpc_port = free_port(), free_port()
        arguments = [
            "front.command.main", "serve", "--host", "127.0.0.1", "--port", str(port), "--grpc-port", str(grpc_port),
            "--workers", str(workers), "--data", str(data), "--log-level", "WARNING", "--grace", "10",
        ]  # fmt: skip
        gateway = stack.enter_context(process(*arguments, environ=environ))
        base = f"http://127.0.0.1:{port}"
        wait_for(base + "/api/status", gateway)
        made = House(base, f"127.0.0.1:{grpc_port}", sandbox, data, gateway)
        made.set_up()
        yield made
