"""The main process of `serve`: binds the port, starts workers, brings killed ones back, stops all gracefully.

Sanic's own worker manager is not used: it does not start a killed worker again
and closes listeners in an order that cuts streams (docs/decisions/0003-own-supervisor.md).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from core.settings import CoreSettings
from front import limits
from front.command.configuration import dump
from front.settings import FrontSettings

logger = logging.getLogger("isthmus.supervisor")

STILL_SECONDS = 7.0
"""A worker that is not ready and has used no processor time for so long hangs (a database that does not answer)."""
PROGRESS_SECONDS = 0.05
"""Processor time that counts as getting on."""
START_SECONDS = 60.0
"""Longest a start may take, however slow the machine."""
RESTART_FIRST = 0.1
RESTART_MOST = 3.0
"""Pause before a worker is started again; doubles while it dies before it was ready."""
POLL_SECONDS = 0.1
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(256 << 10), "MALLOC_TRIM_THRESHOLD_": str(1 << 20)}
"""glibc would raise its threshold with the first large body that is freed, take the next ones from the heap and keep
them there: after inputs of 2 MB a worker stayed at 162 MB instead of 87."""


class StartFailed(Exception):
    """The gateway could not start; the text says why and what to do."""


@dataclass(slots=True)
class Plan:
    """What is started: a worker's settings, how many, and which address of a core for a front alone."""

    core: CoreSettings
    front: FrontSettings
    workers: int
    host: str
    port: int
    core_address: str = ""
    with_front: bool = True
    grace: float = 30.0
    log_level: str = "INFO"


@dataclass(slots=True)
class Worker:
    """A running worker: its process, the pipe that says it is ready."""

    slot: int
    process: subprocess.Popen[bytes]
    ready_pipe: int
    ready: bool = False


def take_lock(data: Path, name: str) -> IO[str]:
    """Holds a lock file for the life of the process. Raises StartFailed where another holds it, or none can be made."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data / name).open("a+")
    except OSError as error:
        raise StartFailed(
            f"The data folder {data} cannot be written ({error.strerror}); make it writable, or give another --data."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StartFailed(
            f"Another Isthmus is running with the data folder {data}; stop it, or give this one its own --data."
        ) from error
    return lock


def bind(host: str, port: int) -> socket.socket:
    """The listening socket that workers share. Raises StartFailed where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise StartFailed(f"Cannot listen on {host}:{port}: {error.strerror}; choose another --port.") from error
    sock.listen(1024)
    sock.set_inheritable(True)
    return sock


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used, in seconds; 0 where the system does not tell (no /proc)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def check_free(host: str, port: int) -> None:
    """Raises StartFailed where the gRPC port is taken: shared by workers, a second gateway would halve it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartFailed(
                f"Cannot listen for gRPC on {host}:{port}: {error.strerror}; choose another --grpc-port (0: none)."
            ) from error


class Supervisor:
    """Starts and watches workers until told to stop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.socket: socket.socket | None = None
        self.limits = -1
        """The table of limits by address that workers share."""
        self.workers: dict[int, Worker] = {}
        self.waiting: dict[int, tuple[float, float]] = {}
        """slot -> (when to start it again, the pause after that)."""
        self.stopping = False

    @property
    def port(self) -> int:
        """The HTTP port that was bound."""
        return int(self.socket.getsockname()[1]) if self.socket is not None else 0

    def start(self) -> None:
        """Binds and starts every worker; returns when all are ready. Raises StartFailed."""
        if self.plan.with_front:
            self.socket = bind(self.plan.host, self.plan.port)
            self.limits = limits.shared()
        if self.plan.core.grpc_port and not self.plan.core_address:
            check_free(self.plan.core.grpc_host, self.plan.core.grpc_port)
        try:
            for slot in range(self.plan.workers):
                self._spawn(slot)
            self._await_ready()
        except BaseException:
            self.stop(1.0)
            raise

    def run(self) -> int:
        """Watches until SIGTERM or SIGINT; returns the exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        while not self.stopping:
            self.watch()
            time.sleep(POLL_SECONDS)
        self.stop(self.plan.grace)
        return 0

    def watch(self) -> None:
        """One look: notes ready and dead workers, starts those whose pause is over."""
        now = time.monotonic()
        for slot, worker in list(self.workers.items()):
            self._note_ready(worker)
            if worker.process.poll() is None:
                continue
            self._reap(worker)
            pause = RESTART_FIRST if worker.ready else self.waiting.get(slot, (0.0, RESTART_FIRST))[1]
            self.waiting[slot] = (now + pause, min(pause * 2, RESTART_MOST))
            del self.workers[slot]
            logger.error(
                "worker died; starting it again",
                extra={"slot": slot, "status": worker.process.returncode, "pause_s": pause},
            )
        for slot, (due, _) in list(self.waiting.items()):
            if slot not in self.workers and now >= due:
                self._spawn(slot)

    def stop(self, grace: float) -> None:
        """SIGTERM to all, then SIGKILL to those that outlive the grace period."""
        self.stopping = True
        if self.socket is not None:
            self.socket.close()
        if self.limits >= 0:
            os.close(self.limits)
            self.limits = -1
        for worker in self.workers.values():
            with contextlib.suppress(ProcessLookupError):
                worker.process.terminate()
        deadline = time.monotonic() + grace
        for worker in self.workers.values():
            try:
                worker.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                logger.error("worker did not stop in time", extra={"slot": worker.slot})
                worker.process.kill()
                worker.process.wait()
            self._reap(worker)
        self.workers.clear()

    def _on_signal(self, number: int, _frame: Any) -> None:
        self.stopping = True

    def _spawn(self, slot: int) -> None:
        reader, writer = os.pipe()
        fds = [writer] + ([self.socket.fileno(), self.limits] if self.socket is not None else [])
        process = subprocess.Popen(
            [sys.executable, "-m", "front.command.worker"],
            stdin=subprocess.PIPE,
            pass_fds=fds,
            env={**ALLOCATOR, **os.environ},
        )
        os.close(writer)
        os.set_blocking(reader, False)
        message = {
            "core": dump(replace(self.plan.core, slot=slot)),
            "front": dump(self.plan.front),
            "socket": self.socket.fileno() if self.socket is not None else -1,
            "limits": self.limits,
            "ready": writer,
            "core_address": self.plan.core_address,
            "grace": self.plan.grace,
            "log_level": self.plan.log_level,
        }
        assert process.stdin is not None
        # The pipe stays open: its end tells the worker that its supervisor is gone.
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()
        self.workers[slot] = Worker(slot, process, reader)

    def _note_ready(self, worker: Worker) -> None:
        if worker.ready:
            return
        readable, _, _ = select.select([worker.ready_pipe], [], [], 0)
        if readable and os.read(worker.ready_pipe, 1):
            worker.ready = True

    def _await_ready(self) -> None:
        """Until every worker is ready. One that stands still has failed; one that is only slow has not."""
        begun = moved = time.monotonic()
        seen: dict[int, float] = {}
        while waiting := [worker for worker in self.workers.values() if not worker.ready]:
            now = time.monotonic()
            for worker in waiting:
                self._note_ready(worker)
                if worker.process.poll() is not None:
                    raise StartFailed("A worker ended while starting; its log above says why.")
                used = cpu_seconds(worker.process.pid)
                if used >= seen.get(worker.slot, 0.0) + PROGRESS_SECONDS:
                    seen[worker.slot], moved = used, now
            if now - moved > STILL_SECONDS or now - begun > START_SECONDS:
                raise StartFailed(f"The workers were not ready after {now - begun:.0f} s.")
            time.sleep(0.02)

    @staticmethod
    def _reap(worker: Worker) -> None:
        with contextlib.suppress(OSError):
            os.close(worker.ready_pipe)
        if worker.process.stdin is not None:
            with contextlib.suppress(OSError):
                worker.process.stdin.close()
