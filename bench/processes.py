"""What is measured, as processes: pinned to their core, their processor time and memory read from /proc."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.house import free_port, wait_for


@dataclass(frozen=True)
class Cores:
    """Where the measured process runs, and where all else does."""

    measured: int
    load: int

    @classmethod
    def here(cls) -> Cores:
        """The first and the last core this process may use. Raises RuntimeError where there is only one."""
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2:
            raise RuntimeError("two processor cores are needed: one for the gateway, one for the load")
        return cls(usable[0], usable[-1])


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started in the block runs on a core, with all its threads and children."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listing.splitlines()]
    for parent in found:
        found.extend(child for child, of in pairs if of == parent)
    return found


@dataclass(frozen=True)
class Server:
    """Something under load: where it is, what its requests carry, and whose time and memory count."""

    base: str
    pid: int
    headers: Mapping[str, str] = field(default_factory=dict)
    grpc: str = ""

    @property
    def port(self) -> int:
        """The HTTP port."""
        return int(self.base.rsplit(":", 1)[1])

    def cpu_seconds(self) -> float:
        """User and system time of its processes so far."""
        total = 0
        for pid in family(self.pid):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Resident memory of the largest of its processes: the worker."""
        return max(rss_mb(pid) for pid in family(self.pid))

    def worker(self) -> int:
        """The largest of its processes."""
        return max(family(self.pid), key=rss_mb)


def rss_mb(pid: int) -> float:
    """Resident memory of a process; 0 where it is gone."""
    with contextlib.suppress(OSError):
        match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        if match:
            return int(match[1]) / 1024
    return 0.0


@contextlib.contextmanager
def child(
    *arguments: str, environ: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the time of the block; log takes all it prints."""
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(log.open("ab")) if log is not None else None
        process = subprocess.Popen(
            arguments,
            env={**os.environ, **(environ or {})},
            stdout=out,
            stderr=subprocess.STDOUT if out is not None else None,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def module(name: str, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A module of ours that serves HTTP on --port: its address, once it answers."""
    port = free_port()
    with child(sys.executable, "-m", name, *arguments, "--port", str(port)) as process:
        base = f"http://127.0.0.1:{port}"
        wait_for(base, process)
        yield base, process


@contextlib.contextmanager
def nginx(vendor: str, folder: Path) -> Iterator[Server]:
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
    with child("nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)) as process:
        base = f"http://127.0.0.1:{port}"
        wait_for(base, process)
        yield Server(base, process.pid)
