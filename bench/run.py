"""`make bench`: one pinned core for the gateway, load generator and mock vendor on the other.

`python -m bench.run [CASE ...] [--seconds S] [--runs N] [--peers] [--scratch]` prints a table and
ratios, and writes bench/results/latest.json: {case: {requests_per_s, cpu_us_per_request, p50_ms,
p99_ms, rss_mb}}, medians of the runs, with circumstances.json beside it (--scratch: writes neither).
In every run limit_handler, limit_relay and nginx stand beside. Everything is switched on:
authentication, routing, prices, ledger, receipts, journal. A case that fails is told at the end,
and ends the command with 1; the others are measured all the same.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import cases, figures, peers, processes, table
from bench.figures import Figures, Results
from bench.processes import Cores, Server
from tests.integration.house import House, house

TOOLS = ("wrk", "nginx", "ps")
INSTALL = "apt-get install -y wrk nginx-light procps"
QUOTA = 90_000_000
RATIO = 0.01
"""A price so small that the money lasts for every run."""


@contextlib.contextmanager
def gateway(vendor: str, data: Path) -> Iterator[tuple[Server, House]]:
    """A gateway of one worker with a channel to each form of the vendor; requests carry a key."""
    with house(data, workers=1, sandbox=vendor, level="ERROR") as made:
        every = [model for name in cases.VENDORS for model in cases.models(name)]
        made.option("ModelRatio", json.dumps(dict.fromkeys(every, RATIO)))
        for name, number in cases.VENDORS.items():
            made.add_channel(type=number, name=name, models=",".join(cases.models(name)))
        key = made.add_key(remain_quota=QUOTA)[1]
        yield Server(made.base, made.gateway.pid, {"Authorization": f"Bearer {key}"}, made.grpc), made


def measure(run: Callable[[], AbstractContextManager[cases.Table]], runs: int) -> tuple[Results, dict[str, str]]:
    """Medians of the cases, one after the other in every run, and why those failed that did."""
    found: dict[str, list[Figures]] = {}
    failed: dict[str, str] = {}
    for number in range(runs):
        with run() as wanted:
            for name, case in wanted.items():
                if name in failed:
                    continue
                print(f"run {number + 1} of {runs}: {name}", file=sys.stderr, flush=True)
                try:
                    found.setdefault(name, []).append(case())
                except Exception as error:  # noqa: BLE001
                    # A case may fail in any way; the others are measured all the same.
                    traceback.print_exc()
                    failed[name] = f"{type(error).__name__}: {error}"
    return {name: figures.medians(rows) for name, rows in found.items() if name not in failed}, failed


def circumstances(arguments: argparse.Namespace, load_before: float) -> dict[str, Any]:
    """How it was measured."""
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "runs": arguments.runs,
        "seconds": arguments.seconds,
        "processor": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": load_before,
        "load_after": os.getloadavg()[0],
    }


def choose(names: Sequence[str], known: cases.Table, compared: cases.Table) -> cases.Table:
    """The cases of a run: all, or the named ones and the limits; the peers' beside ours."""
    if not names:
        return {**known, **compared}
    kept = {name: case for name, case in known.items() if name in names or name in cases.LIMITS}
    beside = {name: case for name, case in compared.items() if name in names or name.partition(".")[2] in names}
    unknown = [name for name in names if name not in kept and name not in beside]
    if unknown:
        raise SystemExit(f"no such case: {', '.join(unknown)}; there are {', '.join([*known, *compared])}")
    return {**kept, **beside}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description="Measures the gateway.")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--seconds", type=float, default=5, help="of load a case and run")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", action="store_true", help="installs and measures LiteLLM and Portkey, too")
    parser.add_argument("--scratch", action="store_true", help="writes no results")
    return parser.parse_args()


def main() -> int:
    """Measures, prints, writes."""
    arguments = parse()
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"{', '.join(missing)}: not installed; {INSTALL}", file=sys.stderr)
        return 2
    try:
        cores = Cores.here()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    load_before = os.getloadavg()[0]
    installed = peers.install() if arguments.peers else {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-bench-")))
        stack.enter_context(processes.on_core(cores.load))
        vendor, _ = stack.enter_context(processes.module("bench.vendor"))
        compared: dict[str, Server] = {}
        failed: dict[str, str] = {}
        with processes.on_core(cores.measured):
            servers = {"nginx": stack.enter_context(processes.nginx(vendor, folder))}
            for kind in ("handler", "relay"):
                base, process = stack.enter_context(processes.module("bench.limits", kind, "--vendor", vendor))
                servers[kind] = Server(base, process.pid)
            for name, peer in installed.items():
                try:
                    compared[name] = stack.enter_context(peer.serve(vendor, folder))
                except Exception as error:  # noqa: BLE001
                    traceback.print_exc()
                    failed[name] = f"{type(error).__name__}: {error}"
        cannot = {name: peer.cannot for name, peer in installed.items()}
        beside = cases.peers(compared, cannot, arguments.seconds, folder)

        @contextlib.contextmanager
        def run() -> Iterator[cases.Table]:
            """The cases before a gateway of their own, whose memory no case of the run before has left its mark on."""
            with tempfile.TemporaryDirectory(dir=folder) as data, contextlib.ExitStack() as inner:
                with processes.on_core(cores.measured):
                    ours, _ = inner.enter_context(gateway(vendor, Path(data)))
                known = cases.table({**servers, "gateway": ours}, arguments.seconds, folder)
                yield choose(arguments.cases, known, beside)

        results, more = measure(run, arguments.runs)
    failed.update(more)
    if not arguments.scratch:
        told = circumstances(arguments, load_before)
        versions = {name: peer.version for name, peer in installed.items()}
        figures.write(figures.LATEST, results)
        lacking = [f"{name}.{case}" for name, peer in installed.items() for case in peer.cannot]
        figures.write(figures.CIRCUMSTANCES, {**told, "peers": versions, "cannot": lacking, "failed": failed})
    print(table.printed(results))
    for name, why in failed.items():
        print(f"FAILED {name}: {why[:300]}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
