"""Other gateways, installed into .bench/ and started as their own documentation recommends for throughput.

LiteLLM's proxy (PyPI, a venv of its own): one worker, no database, no callbacks, production mode, a
master key, so that a key is checked. Portkey's gateway (npm, a folder of its own): one process; it
checks no keys, and takes the vendor's address from headers. What they do not do here: neither
counts money in a ledger, nor writes a journal.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench import cases
from bench.processes import Server, child
from tests.integration.house import free_port, wait_for

CACHE = Path(__file__).parent.parent / ".bench"
LITELLM, PORTKEY = CACHE / "litellm", CACHE / "portkey"
MASTER_KEY = "sk-bench-master"
START_SECONDS = 150.0
PORTKEY_OVERRIDES = {"@hono/node-server": "1.13.7"}
"""With the newest it answers streams with 500: github.com/Portkey-AI/gateway/issues/1389."""
PORTKEY_CANNOT = ("translate_anthropic_openai",)
"""It answers "messages is not supported by openai"."""


@dataclass(frozen=True)
class Peer:
    """A gateway that is installed."""

    version: str
    serve: Callable[[str, Path], AbstractContextManager[Server]]
    cannot: tuple[str, ...] = ()
    """Cases it has no route or conversion for, by its own word."""


def install() -> dict[str, Peer]:
    """What could be installed; what could not is told, and left out."""
    found: dict[str, Peer] = {}
    for name, make in (("litellm", _litellm), ("portkey", _portkey)):
        try:
            found[name] = make()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name} could not be installed: {error}", file=sys.stderr)
    return found


def _run(*command: str, cwd: Path = CACHE) -> str:
    """A command's output; its errors go to ours."""
    return subprocess.run(command, cwd=cwd, check=True, text=True, stdout=subprocess.PIPE).stdout


def _litellm() -> Peer:
    python = LITELLM / "venv" / "bin" / "python"
    stamp = LITELLM / "version"
    if not stamp.exists():
        LITELLM.mkdir(parents=True, exist_ok=True)
        print("installing litellm[proxy] into .bench/litellm; this takes minutes", file=sys.stderr)
        _run(sys.executable, "-m", "venv", str(python.parent.parent))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "litellm[proxy]")
        told = "import importlib.metadata as m; print(m.version('litellm'))"
        stamp.write_text(_run(str(python), "-c", told).strip())
    return Peer(stamp.read_text(), _serve_litellm)


@contextlib.contextmanager
def _serve_litellm(vendor: str, folder: Path) -> Iterator[Server]:
    """One worker before the vendor."""
    models = [model for name in ("bench", "openai") for model in cases.models(name)]
    config = {
        "model_list": [
            {
                "model_name": model,
                "litellm_params": {"model": f"openai/{model}", "api_base": f"{vendor}/v1", "api_key": "x"},
            }
            for model in models
        ],
        "general_settings": {"master_key": MASTER_KEY},
        "litellm_settings": {
            "set_verbose": False,
            "request_timeout": 600,
            "num_retries": 0,
            # Else /v1/messages asks the vendor in the Responses form, which is another conversion than ours.
            "use_chat_completions_url_for_anthropic_messages": True,
        },
    }
    path = folder / "litellm.yaml"
    path.write_text(json.dumps(config))
    port = free_port()
    environ = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "PYTHONPATH": "",
    }
    command = (
        str(LITELLM / "venv" / "bin" / "litellm"), "--config", str(path), "--host", "127.0.0.1", "--port", str(port),
        "--num_workers", "1", "--telemetry", "False",
    )  # fmt: skip
    with child(*command, environ=environ, log=CACHE / "litellm.log") as process:
        base = f"http://127.0.0.1:{port}"
        _wait(base + "/health/liveliness", process)
        yield Server(base, process.pid, {"Authorization": f"Bearer {MASTER_KEY}"})


def _portkey() -> Peer:
    package = PORTKEY / "node_modules" / "@portkey-ai" / "gateway"
    stamp = PORTKEY / "version"
    if not stamp.exists():
        PORTKEY.mkdir(parents=True, exist_ok=True)
        print("installing @portkey-ai/gateway into .bench/portkey", file=sys.stderr)
        (PORTKEY / "package.json").write_text(json.dumps({"private": True, "overrides": PORTKEY_OVERRIDES}))
        _run("npm", "install", "--silent", "--no-audit", "--no-fund", "@portkey-ai/gateway", cwd=PORTKEY)
        stamp.write_text(json.loads((package / "package.json").read_text())["version"])
    return Peer(stamp.read_text(), _serve_portkey, PORTKEY_CANNOT)


@contextlib.contextmanager
def _serve_portkey(vendor: str, folder: Path) -> Iterator[Server]:
    """One process; headers say where to."""
    port = free_port()
    start = PORTKEY / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    environ = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    command = ("node", str(start), f"--port={port}", "--headless")
    with child(*command, environ=environ, log=CACHE / "portkey.log") as process:
        base = f"http://127.0.0.1:{port}"
        _wait(base, process)
        headers = {
            "Authorization": "Bearer x",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"{vendor}/v1",
        }
        yield Server(base, process.pid, headers)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """As wait_for(), for servers that need longer than ours."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            wait_for(url, process)
        except OSError:
            if time.monotonic() > deadline:
                raise
        else:
            return
