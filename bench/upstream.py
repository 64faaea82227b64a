"""Compares HTTP clients against a loopback server: CPU us a request for 1 kB of JSON, and for a burst of 100 events.

`python -m bench.upstream` prints one line per client. The server runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import uvloop

from core.upstream.interface import Upstream, UpstreamRequest
from core.upstream.library import LibraryUpstream
from core.upstream.wire import WireUpstream
from tests.integration.house import free_port, wait_for

CALLS = 2000
AT_ONCE = 16
BODIES = {"1k": b'{"model":"bench-1k"}', "burst": b'{"model":"bench-burst","stream":true}'}


async def spend(client: Upstream, url: str, body: bytes) -> float:
    """CPU microseconds a call."""

    async def some() -> None:
        for _ in range(CALLS // AT_ONCE):
            answer = await client.send(UpstreamRequest("POST", url, [("Content-Type", "application/json")], body))
            async for _ in answer.chunks():
                pass
            await answer.aclose()

    await some()
    before = time.process_time()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return (time.process_time() - before) / (CALLS // AT_ONCE * AT_ONCE) * 1e6


async def measure(url: str) -> None:
    """Prints a line per client, the median of three runs."""
    clients: dict[str, Callable[[], Upstream]] = {"wire": WireUpstream, "pyreqwest": LibraryUpstream}
    for name, make in clients.items():
        figures: dict[str, float] = {}
        for case, body in BODIES.items():
            client = make()
            runs = sorted([await spend(client, url, body) for _ in range(3)])
            figures[case] = runs[1]
            closing: Awaitable[None] = client.aclose()
            await closing
        print(f"{name:<10} 1k {figures['1k']:7.0f} us   burst of 100 {figures['burst']:7.0f} us")


def main() -> None:
    """Starts the server, measures, ends it."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "bench.vendor", "--port", str(port)])
    try:
        wait_for(f"http://127.0.0.1:{port}", server)
        uvloop.run(measure(f"http://127.0.0.1:{port}/v1/chat/completions"))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
