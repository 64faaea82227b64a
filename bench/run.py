"""`make bench`: one pinned core for the gateway, load generator and mock vendor on the other.

`python -m bench.run [CASE ...] [--seconds S] [--runs N]` prints a table and writes
bench/results/latest.json: {case: {requests_per_s, cpu_us_per_request, p50_ms, p99_ms, rss_mb}},
medians of the runs. In every run limit_handler, limit_relay and nginx stand beside. Everything
is switched on: authentication, routing, prices, ledger, receipts, journal.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from isthmus.client import Client

from tests.integration.house import House, free_port, house, wait_for

RESULTS = Path(__file__).parent / "results" / "latest.json"
GATEWAY_CORE, LOAD_CORE = "0", "1"
CONNECTIONS = 32
Figures = dict[str, float]

SMALL = {"model": "bench-1k", "messages": [{"role": "user", "content": "x" * 800}]}
LARGE = {"model": "bench-30k", "messages": [{"role": "user", "content": "word " * 6000}]}
EMBED = {"model": "bench-embed", "input": "x" * 800}


@dataclass
class Target:
    """Something under load: where, and whose processor time and memory are counted."""

    base: str
    pids: list[int]
    key: str


def pin(pid: int, core: str) -> None:
    """Pins a process and its threads to a core."""
    subprocess.run(["taskset", "-a", "-p", "-c", core, str(pid)], check=True, capture_output=True)


def children(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listing.splitlines()]
    for parent in found:
        found.extend(child for child, of in pairs if of == parent)
    return found


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of the processes so far."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def rss_mb(pids: list[int]) -> float:
    """Resident memory of the largest of the processes."""
    sizes = [0]
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            if match:
                sizes.append(int(match[1]))
    return max(sizes) / 1024


def script(folder: Path, body: object, key: str) -> Path:
    """A wrk script that posts a body with a key and tells errors."""
    path = folder / f"post-{abs(hash(json.dumps(body)))}.lua"
    path.write_text(
        'wrk.method = "POST"\n'
        f"wrk.body = [==[{json.dumps(body)}]==]\n"
        'wrk.headers["Content-Type"] = "application/json"\n'
        f'wrk.headers["Authorization"] = "Bearer {key}"\n'
        "done = function(summary, latency, requests)\n"
        '  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,\n'
        "    latency:percentile(50), latency:percentile(99), summary.errors.status + summary.errors.read"
        " + summary.errors.timeout))\nend\n"
    )
    return path


def wrk(target: Target, path: str, body: object, seconds: float, connections: int, folder: Path) -> Figures:
    """One run of wrk. Raises RuntimeError when any answer was an error."""
    before = cpu_seconds(target.pids)
    printed = subprocess.run(
        [
            "taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "30s",
            "-s", str(script(folder, body, target.key)), target.base + path,
        ],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    used = cpu_seconds(target.pids) - before
    match = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", printed)
    if not match:
        raise RuntimeError(printed)
    requests, duration, p50, p99, errors = map(int, match.groups())
    if errors or not requests:
        raise RuntimeError(f"{errors} errors of {requests} requests at {target.base}{path}")
    return {
        "requests_per_s": requests / (duration / 1e6),
        "cpu_us_per_request": used / requests * 1e6,
        "p50_ms": p50 / 1000,
        "p99_ms": p99 / 1000,
        "rss_mb": rss_mb(target.pids),
    }


def timed(target: Target, work: Callable[[], tuple[int, list[float]]]) -> Figures:
    """Figures of work done by Python clients: its count and each one's milliseconds."""
    before, started = cpu_seconds(target.pids), time.monotonic()
    count, spans = work()
    seconds = time.monotonic() - started
    spans.sort()
    return {
        "requests_per_s": count / seconds,
        "cpu_us_per_request": (cpu_seconds(target.pids) - before) / count * 1e6,
        "p50_ms": spans[len(spans) // 2],
        "p99_ms": spans[min(len(spans) - 1, int(len(spans) * 0.99))],
        "rss_mb": rss_mb(target.pids),
    }


def grpc_case(address: str, target: Target, streamed: bool, seconds: float) -> Figures:
    """Generate or StreamGenerate over the wire, 16 at once."""

    async def run() -> tuple[int, list[float]]:
        spans: list[float] = []
        until = time.monotonic() + seconds

        async def one(client: Client) -> None:
            while time.monotonic() < until:
                started = time.monotonic()
                if streamed:
                    async for _ in client.stream("bench-burst", "x" * 800):
                        pass
                else:
                    await client.generate("bench-1k", "x" * 800)
                spans.append((time.monotonic() - started) * 1000)

        async with Client(address, target.key) as client:
            await asyncio.gather(*(one(client) for _ in range(16)))
        return len(spans), spans

    return timed(target, lambda: asyncio.run(run()))


def open_streams(target: Target, model: str, count: int, seconds: float) -> Figures:
    """`count` streams at once by raw sockets: each one's time, or those that are still open after `seconds`."""
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "x"}]}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()
    port = int(target.base.rsplit(":", 1)[1])

    async def one() -> float:
        started = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + body)
        first = await reader.readline()
        if b" 200 " not in first:
            raise RuntimeError(first)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await reader.read(65536):
                    pass
        writer.close()
        return (time.monotonic() - started) * 1000

    async def run() -> tuple[int, list[float]]:
        spans = await asyncio.gather(*(one() for _ in range(count)))
        return count, list(spans)

    return timed(target, lambda: asyncio.run(run()))


@contextlib.contextmanager
def child(core: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process on a core for the time of the block."""
    process = subprocess.Popen(["taskset", "-c", core, *arguments])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def nginx(vendor: str, folder: Path) -> Iterator[Target]:
    """Nginx as a reverse proxy before the vendor, one worker."""
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        "events { worker_connections 4096; }\n"
        f"http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};\n"
        f" fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};\n"
        f" upstream vendor {{ server {vendor.removeprefix('http://')}; keepalive 64; }}\n"
        f" server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://vendor; proxy_http_version 1.1;\n"
        '  proxy_set_header Connection ""; proxy_buffering off; } } }\n'
    )
    with child(GATEWAY_CORE, "nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)) as process:
        base = f"http://127.0.0.1:{port}"
        wait_for(base, process)
        yield Target(base, children(process.pid), "x")


def cases(
    made: House, gateway: Target, others: dict[str, Target], folder: Path, seconds: float
) -> dict[str, Callable[[], Figures]]:
    """Every case by name."""
    chat = "/v1/chat/completions"

    def post(target: Target, path: str, body: object, connections: int = CONNECTIONS) -> Callable[[], Figures]:
        return lambda: wrk(target, path, body, seconds, connections, folder)

    def streamed(model: str) -> dict[str, object]:
        return {**SMALL, "model": model, "stream": True}

    return {
        "limit_handler": post(others["handler"], chat, SMALL),
        "limit_relay": post(others["relay"], chat, SMALL),
        "nginx": post(others["nginx"], chat, SMALL),
        "relay_1k": post(gateway, chat, SMALL),
        "relay_30k": post(gateway, chat, LARGE),
        "embed": post(gateway, "/v1/embeddings", EMBED),
        "stream_burst": post(gateway, chat, streamed("bench-burst")),
        "limit_stream_burst": post(others["relay"], chat, streamed("bench-burst")),
        "stream_split": post(gateway, chat, streamed("bench-split")),
        "limit_stream_split": post(others["relay"], chat, streamed("bench-split")),
        "stream_paced": lambda: open_streams(gateway, "bench-paced", 600, 60),
        "grpc_1k": lambda: grpc_case(made.grpc, gateway, False, seconds),
        "grpc_stream": lambda: grpc_case(made.grpc, gateway, True, seconds),
        "idle_1000": lambda: open_streams(gateway, "bench-idle", 1000, 8),
    }


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    for tool in ("wrk", "nginx", "taskset"):
        if shutil.which(tool) is None:
            print(f"{tool} is needed: apt-get install wrk nginx-light util-linux", file=sys.stderr)
            return 1
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    vendor_port = free_port()
    vendor = f"http://127.0.0.1:{vendor_port}"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-bench-")))
        process = stack.enter_context(
            child(LOAD_CORE, sys.executable, "-m", "bench.vendor", "--port", str(vendor_port))
        )
        wait_for(vendor, process)
        others = {"nginx": stack.enter_context(nginx(vendor, folder))}
        for kind in ("handler", "relay"):
            port = free_port()
            limit = stack.enter_context(
                child(
                    GATEWAY_CORE,
                    sys.executable,
                    "-m",
                    "bench.limits",
                    kind,
                    "--port",
                    str(port),
                    "--vendor",
                    vendor,
                )
            )
            others[kind] = Target(f"http://127.0.0.1:{port}", children(limit.pid), "x")
            wait_for(others[kind].base, limit)
        made = stack.enter_context(house(folder / "data", workers=1, sandbox=vendor))
        models = "bench-1k,bench-30k,bench-embed,bench-burst,bench-split,bench-paced,bench-idle"
        made.manage(
            "PUT",
            "/api/option/",
            {"key": "ModelRatio", "value": json.dumps(dict.fromkeys(models.split(","), 0.5))},
        )
        made.add_channel(models=models)
        key = made.add_key(remain_quota=90_000_000)[1]
        for pid in children(made.gateway.pid):
            pin(pid, GATEWAY_CORE)
        gateway = Target(made.base, children(made.gateway.pid), key)
        table = cases(made, gateway, others, folder, arguments.seconds)
        wanted = arguments.cases or list(table)
        figures: dict[str, list[Figures]] = {name: [] for name in wanted}
        for number in range(arguments.runs):
            for name in wanted:
                print(f"run {number + 1} of {arguments.runs}: {name}", file=sys.stderr, flush=True)
                figures[name].append(table[name]())
    result = {
        name: {field: round(statistics.median(run[field] for run in runs), 2) for field in runs[0]}
        for name, runs in figures.items()
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(f"{'case':<20}{'requests/s':>12}{'cpu us':>10}{'p50 ms':>10}{'p99 ms':>10}{'rss MB':>9}")
    for name, row in result.items():
        print(
            f"{name:<20}{row['requests_per_s']:>12.0f}{row['cpu_us_per_request']:>10.0f}"
            f"{row['p50_ms']:>10.1f}{row['p99_ms']:>10.1f}{row['rss_mb']:>9.0f}"
        )
    if {"relay_1k", "limit_relay"} <= result.keys():
        ratio = result["relay_1k"]["requests_per_s"] / result["limit_relay"]["requests_per_s"]
        print(f"relay_1k / limit_relay = {ratio:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
