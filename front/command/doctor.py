"""`isthmus doctor`: database, disk, ports, clock, channels; for each what is wrong and what to do."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from core.node import Node, open_node
from core.settings import CoreSettings
from core.store.database import Database

FREE_BYTES = 1 << 30
"""Free disk below which a warning is given."""
CLOCK_SECONDS = 2.0
"""How far this clock and the database's may be apart."""
CLOCKS = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgres": "EXTRACT(EPOCH FROM now())",
    "mysql": "UNIX_TIMESTAMP(NOW(6))",
}
"""The database's clock as Unix seconds."""

Check = Callable[[], Awaitable[str]]


class Trouble(Exception):
    """A check found something; the text says what to do."""


def say(mark: str, name: str, text: str) -> None:
    """One line of the report."""
    print(f"[{mark}] {name}: {text}", flush=True)  # noqa: T201


async def doctor(settings: CoreSettings, port: int) -> int:
    """Runs every check; returns 0 where all is well, else 1."""
    failures = 0

    async def check(name: str, work: Awaitable[str]) -> None:
        nonlocal failures
        try:
            say("ok", name, await work)
        except Trouble as trouble:
            failures += 1
            say("!!", name, str(trouble))
        except Exception as error:  # noqa: BLE001 - a check that breaks is a finding
            failures += 1
            say("!!", name, f"{type(error).__name__}: {error}")

    await check("python", _python())
    await check("data folder", _folder(settings.data))
    await check("http port", _port("0.0.0.0", port))  # noqa: S104
    if settings.grpc_port:
        await check("grpc port", _port(settings.grpc_host, settings.grpc_port))
    await check("database", _database(settings))
    await check("channels", _channels(settings))
    return 1 if failures else 0


async def _python() -> str:
    return f"{sys.version.split()[0]}"


async def _folder(data: Path) -> str:
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = data / f".probe-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise Trouble(f"{data} cannot be written ({error.strerror}); give another --data") from error
    free = shutil.disk_usage(data).free
    if free < FREE_BYTES:
        raise Trouble(f"only {free >> 20} MiB free on the disk of {data}; make room: journals need it")
    return f"{data.resolve()}, {free >> 30} GiB free"


async def _port(host: str, port: int) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Trouble(f"{port} is taken ({error.strerror}): a running gateway, or choose another") from error
    return f"{port} is free"


async def _database(settings: CoreSettings) -> str:
    database = await Database.open(settings)
    try:
        rows = await database.read(lambda: database.execute(f"SELECT {CLOCKS[database.kind]}"))
        drift = abs(float(rows[0][0]) - time.time())
        if drift > CLOCK_SECONDS:
            raise Trouble(f"its clock and this machine's are {drift:.0f} s apart; set both by NTP")
        return f"{database.kind} answers, clocks {drift:.1f} s apart"
    finally:
        await database.close()


async def _channels(settings: CoreSettings) -> str:
    node: Node = await open_node(settings)
    try:
        channels = list(node.state.snapshot.channels.values())
        defects = [f"#{channel.id} {channel.name}: {channel.defect}" for channel in channels if channel.defect]
        if defects:
            raise Trouble("; ".join(defects))
        if not channels:
            raise Trouble("there is none that is enabled; add one with POST /api/channel/")
        return f"{len(channels)} enabled"
    finally:
        await node.close()
