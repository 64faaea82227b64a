"""`isthmus demo`: a gateway and a Sandbox, real requests in several dialects, the receipt of each to the unit."""

from __future__ import annotations

import asyncio
import contextlib
import http.cookiejar
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isthmus.client import Client
from isthmus.v1 import billing_pb2

from front.command.demo_asks import ASKS, CHANNELS, GEMINI, QUESTION, Question, curl

START_SECONDS = 30.0
WIDTH, INDENT = 80, 12
"""Columns of the page, and of the names at its left."""
UNITS_PER_USD = 500_000


class DemoFailed(Exception):
    """A step of the demo did not work; the text says which."""


def free_port(first: int) -> int:
    """The first free TCP port from `first` on, on 127.0.0.1."""
    for port in range(first, first + 200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                with contextlib.suppress(OSError):
                    probe2 = socket.socket()
                    probe2.bind(("127.0.0.1", port))
                    probe2.close()
                    return port
    raise DemoFailed(f"no free port from {first} on")


class Site:
    """The gateway's HTTP side, as a browser and as a program."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.user_id = ""
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def call(
        self, method: str, path: str, body: Any = None, key: str = "", question: Question | None = None
    ) -> tuple[dict[str, str], bytes]:
        """One HTTP exchange: response headers and body. Raises DemoFailed on an error status."""
        headers = {"Content-Type": "application/json", **dict(question.headers if question else ())}
        if question is not None and question.key_header != "Authorization":
            headers[question.key_header] = key
        elif key:
            headers["Authorization"] = f"Bearer {key}"
        elif self.user_id:
            headers["New-Api-User"] = self.user_id
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, headers, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=30) as answer:
                return {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            raise DemoFailed(f"{method} {path}: {error.code} {error.read()[:300]!r}") from error

    def manage(self, method: str, path: str, body: Any = None) -> Any:
        """A management route: its `data`. Raises DemoFailed where success is false."""
        _, raw = self.call(method, path, body)
        answer = json.loads(raw)
        if not answer.get("success"):
            raise DemoFailed(f"{method} {path}: {answer.get('message')}")
        return answer.get("data")


@contextlib.contextmanager
def running(name: str, arguments: list[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A child process for the time of the block; ended by SIGTERM, then SIGKILL."""
    process = subprocess.Popen(arguments, env={**os.environ, **environ}, start_new_session=True)  # noqa: S603 - our own
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            print(f"{name} does not stop; killing it")  # noqa: T201
            process.kill()
            process.wait()


def await_answer(site: Site, path: str, process: subprocess.Popen[bytes]) -> None:
    """Waits until a path answers. Raises DemoFailed where the process ended or the time is over."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            site.call("GET", path, key="sk-demo")
            return
        except DemoFailed:
            return  # it answers, if only to refuse
        except OSError as error:
            if process.poll() is not None:
                raise DemoFailed(f"{site.base} ended with status {process.returncode}") from error
            if time.monotonic() > deadline:
                raise DemoFailed(f"{site.base} did not answer within {START_SECONDS:.0f} s") from error
            time.sleep(0.1)


def say(text: str = "") -> None:
    """A line for the reader."""
    print(text, flush=True)  # noqa: T201


def rule(title: str) -> None:
    """A heading."""
    style = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    say(f"\n{style[0]}{title}{style[1]}")


def show(name: str, text: str) -> None:
    """A named text, wrapped to the page."""
    lines = textwrap.wrap(text, WIDTH - INDENT) or [""]
    say(f"  {name:<{INDENT - 2}}{lines[0]}")
    for line in lines[1:]:
        say(" " * INDENT + line)


def show_receipt(receipt: billing_pb2.Receipt) -> None:
    """The receipt, line by line, to the unit."""
    attempt = receipt.attempts[-1]
    how = "as it came" if attempt.native else "translated"
    show("vendor", f"{attempt.channel_name} (channel {attempt.channel_id}), {how}, {receipt.duration_ms} ms")
    show("receipt", receipt.request_id)
    for line in receipt.lines:
        show("", f"{line.item:<14}{line.quantity:>6} x {line.ratio:<8} = {line.amount:<10} {line.source}")
    show("", receipt.formula)
    show("charged", f"{receipt.quota} units ({receipt.quota / UNITS_PER_USD:.6f} USD)")


async def receipt_of(client: Client, request_id: str) -> billing_pb2.Receipt:
    """The receipt of an HTTP request, by its id; it may take a moment to reach the database."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return await client.receipt(request_id)
        except Exception:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


def set_up(site: Site, sandbox_port: int, password: str) -> str:
    """Creates administrator, channel and key over the management API; returns the key."""
    site.manage(
        "POST",
        "/api/setup",
        {
            "username": "root",
            "password": password,
            "confirmPassword": password,
            "SelfUseModeEnabled": False,
            "DemoSiteEnabled": False,
        },
    )
    account = site.manage("POST", "/api/user/login", {"username": "root", "password": password})
    site.user_id = str(account["id"])
    site.manage(
        "POST",
        "/api/user/manage",
        {"id": account["id"], "action": "add_quota", "mode": "add", "value": 5_000_000},
    )
    for kind, name, model in CHANNELS:
        channel = {
            "type": kind,
            "name": f"Sandbox as {name}",
            "key": "sandbox-key",
            "base_url": f"http://127.0.0.1:{sandbox_port}",
            "models": model,
            "group": "default",
        }
        site.manage("POST", "/api/channel/", {"mode": "single", "channel": channel})
    site.manage(
        "POST",
        "/api/token/",
        {"name": "demo", "expired_time": -1, "remain_quota": 1_000_000, "unlimited_quota": False},
    )
    token = site.manage("GET", "/api/token/?p=1&page_size=10")["items"][0]
    return "sk-" + str(site.manage("POST", f"/api/token/{token['id']}/key")["key"])


async def ask(site: Site, grpc_address: str, key: str) -> None:
    """Sends the demo's requests and shows answers and receipts."""
    async with Client(grpc_address, key) as client:
        for number, question in enumerate(ASKS, 1):
            rule(f"{number}. {question.title}")
            show("request", f"POST {question.path}")
            headers, raw = site.call("POST", question.path, question.body, key, question)
            show("answer", question.read(raw))
            show_receipt(await receipt_of(client, headers["x-request-id"]))
        rule(f"{len(ASKS) + 1}. gRPC")
        show("request", f"isthmus.v1.ChatService/Generate at {grpc_address}")
        answer = await client.generate(GEMINI, QUESTION)
        show("answer", answer.text)
        show_receipt(answer.receipt)


def demo(port: int, once: bool) -> int:
    """Runs the demo; returns the exit status."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-demo-"))
    password = secrets.token_urlsafe(12)
    port = free_port(port)
    grpc_port = free_port(port + 1)
    sandbox_port = free_port(grpc_port + 1)
    python = [sys.executable, "-m"]
    serve = [
        *python, "front.command.main", "serve", "--host", "127.0.0.1", "--port", str(port),
        "--grpc-port", str(grpc_port), "--workers", "1", "--data", str(folder), "--log-level", "WARNING",
    ]  # fmt: skip
    say("Starting Sandbox and gateway ...")
    try:
        with (
            running("sandbox", [*python, "front.sandbox", "--port", str(sandbox_port)], {}) as vendor,
            running("gateway", serve, {}) as gateway,
        ):
            await_answer(Site(f"http://127.0.0.1:{sandbox_port}"), "/v1/models", vendor)
            site = Site(f"http://127.0.0.1:{port}")
            await_answer(site, "/api/status", gateway)
            key = set_up(site, sandbox_port, password)
            asyncio.run(ask(site, f"127.0.0.1:{grpc_port}", key))
            rule("Yours to try")
            show("gateway", f"http://127.0.0.1:{port}")
            show("gRPC", f"127.0.0.1:{grpc_port}")
            show("sign in", f"root / {password}")
            show("key", key)
            for question in (ASKS[0], ASKS[3], ASKS[5]):
                say("\n  " + " \\\n  ".join(curl(f"http://127.0.0.1:{port}", key, question)))
            if not once:
                say("\nCtrl-C ends it.")
                with contextlib.suppress(KeyboardInterrupt):
                    gateway.wait()
    except DemoFailed as error:
        say(f"The demo failed: {error}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0
