"""A real gateway and a real Sandbox as processes, on free ports, for integration tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import asyncpg
import pymysql

PASSWORD = "correct-horse-7"
START_SECONDS = 30.0
NO_LIMITS = {f"{name}_RATE_LIMIT_ENABLE": "false" for name in ("GLOBAL_API", "GLOBAL_WEB", "CRITICAL", "SEARCH")}
"""All tests come from one address."""


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


def run(*arguments: str, timeout: float = 60, **environ: str) -> subprocess.CompletedProcess[str]:
    """The `isthmus` command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "front.command.main", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, **environ},
    )


T = TypeVar("T")


def until(look: Callable[[], T], what: str = "it did not happen", seconds: float = 20.0) -> T:
    """What look() returns once that is true. Fails after seconds."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} within {seconds} s"
        time.sleep(0.02)
    return found


def children(pid: int) -> list[int]:
    """The processes a process started."""
    printed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in printed.stdout.split()]


def memory(pid: int, peak: bool = False) -> int:
    """Bytes of a process that are in memory now, or were at most since forget_peak()."""
    name = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10
    raise RuntimeError(f"{pid} has no {name}")


def forget_peak(pid: int) -> None:
    """Lets the peak of a process count from now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextlib.contextmanager
def process(
    *arguments: str, environ: dict[str, str] | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child for the time of the block; log takes all it prints."""
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(log.open("ab")) if log is not None else None
        child = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env={**os.environ, **(environ or {})},
            stdout=out,
            stderr=subprocess.STDOUT if out is not None else None,
        )
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


@dataclass(frozen=True)
class Member:
    """An account with its access token."""

    id: int
    access_token: str


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
    workers: int = 1
    dsn: str = ""
    """The server's, where the database is not SQLite."""

    @property
    def port(self) -> int:
        """The HTTP port."""
        return int(self.base.rsplit(":", 1)[1])

    def chat(self, key: str, text: str = "Hello", path: str = "/v1/chat/completions", **fields: Any) -> Reply:
        """A chat request."""
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **fields}
        return http("POST", self.base + path, body, {"Authorization": f"Bearer {key}"})

    def manage(self, method: str, path: str, body: Any = None, who: Member | None = None) -> Any:
        """A management route as root, or as somebody else: its data. Fails where success is false."""
        account, token = (who.id, who.access_token) if who is not None else (self.root_id, self.access_token)
        headers = {"Authorization": token, "New-Api-User": str(account)}
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
        root = self.sign_in("root")
        self.root_id, self.access_token = root.id, root.access_token

    def sign_in(self, name: str) -> Member:
        """An account by its name."""
        reply = http("POST", self.base + "/api/user/login", {"username": name, "password": PASSWORD})
        account = int(reply.json()["data"]["id"])
        headers = {"Cookie": reply.headers["set-cookie"].split(";")[0], "New-Api-User": str(account)}
        return Member(account, http("GET", self.base + "/api/user/token", headers=headers).json()["data"])

    def add_member(self, name: str, quota: int) -> Member:
        """An account of an ordinary user with quota."""
        self.manage("POST", "/api/user/", {"username": name, "password": PASSWORD, "display_name": name, "role": 1})
        member = self.sign_in(name)
        change = {"id": member.id, "action": "add_quota", "mode": "add", "value": quota}
        self.manage("POST", "/api/user/manage", change)
        return member

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
        self.spread()
        return int(newest)

    def spread(self) -> None:
        """Until every worker knows of a change: the one that was asked does, the others poll every 250 ms."""
        if self.workers > 1:
            time.sleep(0.8)

    def option(self, name: str, value: str) -> None:
        """Sets an option."""
        self.manage("PUT", "/api/option/", {"key": name, "value": value})
        self.spread()

    def add_key(self, who: Member | None = None, **fields: Any) -> tuple[int, str]:
        """A key of root's, or of somebody else's: id and secret with sk-."""
        token = {"name": "test", "expired_time": -1, "remain_quota": 10_000_000, "unlimited_quota": False}
        self.manage("POST", "/api/token/", {**token, **fields}, who)
        mine = self.manage("GET", "/api/token/?p=1&page_size=100", who=who)["items"]
        newest = max(mine, key=lambda item: item["id"])
        secret = self.manage("POST", f"/api/token/{newest['id']}/key", who=who)["key"]
        return int(newest["id"]), "sk-" + str(secret).removeprefix("sk-")

    def token(self, key_id: int) -> Any:
        """The key as the management API shows it."""
        return self.manage("GET", f"/api/token/{key_id}")

    def logs(self, request_id: str = "", **fields: Any) -> list[Any]:
        """Lines of the log, newest first: one request's, or the newest hundred."""
        query = "&".join(f"{name}={value}" for name, value in {"request_id": request_id, **fields}.items())
        found: list[Any] = self.manage("GET", f"/api/log/?p=1&page_size=100&{query}")["items"]
        return found

    def line(self, request_id: str) -> Any:
        """The one line of a request, once it is there, with its receipt and the channels it tried."""
        found = until(lambda: self.logs(request_id), f"no line for {request_id}")
        assert len(found) == 1, found
        other = json.loads(found[0]["other"])
        return {**found[0], "receipt": other["receipt"], "tried": [int(i) for i in other["admin_info"]["use_channel"]]}

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Rows of the gateway's database, which may have stopped."""
        if self.dsn.startswith("mysql"):
            return _mysql_rows(self.dsn, sql, values)
        if self.dsn:
            return asyncio.run(_postgres_rows(self.dsn, sql, values))
        with contextlib.closing(sqlite3.connect(self.data / "isthmus.db", timeout=20)) as database, database:
            return database.execute(sql, values).fetchall()

    def money(self) -> list[Any]:
        """Every purse once nothing is leased any more: what requests have cost, and that they hold nothing."""
        sql = "SELECT id, granted, available, settled, debt FROM purses ORDER BY id"
        until(lambda: not self.rows("SELECT 1 FROM purses WHERE leased <> 0"), "leases did not come back")
        return self.rows(sql)


async def _postgres_rows(dsn: str, sql: str, values: tuple[Any, ...]) -> list[Any]:
    """Rows as tuples; ? marks become $1, $2."""
    pieces = sql.split("?")
    marked = "".join(f"${number}{piece}" if number else piece for number, piece in enumerate(pieces))
    database = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await database.fetch(marked, *values)]
    finally:
        await database.close()


def _mysql_rows(dsn: str, sql: str, values: tuple[Any, ...]) -> list[Any]:
    """As _postgres_rows()."""
    where = urlsplit(dsn)
    connection = pymysql.connect(
        host=where.hostname, port=where.port or 3306, user=where.username, password=unquote(where.password or ""),
        database=where.path.lstrip("/"), charset="utf8mb4", sql_mode="ANSI_QUOTES", autocommit=True,
    )  # fmt: skip
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(sql.replace("?", "%s"), values)
        return [tuple(row) for row in cursor.fetchall()]


@contextlib.contextmanager
def serve(
    data: Path,
    workers: int = 1,
    environ: dict[str, str] | None = None,
    *,
    log: Path | None = None,
    level: str = "WARNING",
    grace: float = 10.0,
) -> Iterator[House]:
    """A gateway alone, as it is: nobody is signed in."""
    port, grpc_port = free_port(), free_port()
    arguments = [
        "front.command.main", "serve", "--host", "127.0.0.1", "--port", str(port), "--grpc-port", str(grpc_port),
        "--workers", str(workers), "--data", str(data), "--log-level", level, "--grace", str(grace),
    ]  # fmt: skip
    with process(*arguments, environ={**NO_LIMITS, **(environ or {})}, log=log) as child:
        base = f"http://127.0.0.1:{port}"
        wait_for(base + "/api/status", child)
        dsn = (environ or {}).get("SQL_DSN", "")
        yield House(base, f"127.0.0.1:{grpc_port}", "", data, child, workers=workers, dsn=dsn)


@contextlib.contextmanager
def house(
    data: Path,
    workers: int = 1,
    environ: dict[str, str] | None = None,
    sandbox: str = "",
    *,
    log: Path | None = None,
    level: str = "WARNING",
    grace: float = 10.0,
) -> Iterator[House]:
    """A Sandbox and a gateway; set up, without channels and keys."""
    with contextlib.ExitStack() as stack:
        if not sandbox:
            port = free_port()
            child = stack.enter_context(process("front.sandbox", "--port", str(port)))
            sandbox = f"http://127.0.0.1:{port}"
            wait_for(sandbox + "/v1/models", child)
        made = stack.enter_context(serve(data, workers, environ, log=log, level=level, grace=grace))
        made.sandbox = sandbox
        made.set_up()
        yield made
