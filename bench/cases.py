"""The cases: what is asked of whom, and with which load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import answers, conversions, loads
from bench.figures import Figures
from bench.loads import Ask
from bench.processes import Server

CONNECTIONS = 32
PACED_STREAMS = 600
IDLE_STREAMS = 1000
IDLE_HOLD_SECONDS = 8.0
"""Longer than the vendor is silent."""

CHAT, MESSAGES, EMBEDDINGS = "/v1/chat/completions", "/v1/messages", "/v1/embeddings"
KINDS = ("1k", "30k", "embed", "burst", "split", "paced", "long", "idle", "fault", "cut")
VENDORS: Mapping[str, int] = {"bench": 1000, "openai": 1, "anthropic": 14, "gemini": 24}
"""First word of a model's name -> the channel type that serves it: the Sandbox's speaks every form."""
PROMPT = "x" * 800


def models(vendor: str) -> list[str]:
    """The models a channel serves."""
    return [f"{vendor}-{kind}" for kind in KINDS]


def chat(model: str, expected: str, streamed: bool = False, prompt: str = PROMPT) -> Ask:
    """In OpenAI's form."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    return Ask(CHAT, {**body, "stream": True} if streamed else body, "openai", expected, streamed)


def messages(model: str, expected: str, streamed: bool = False) -> Ask:
    """In Anthropic's form."""
    body = {"model": model, "max_tokens": 1024, "messages": [{"role": "user", "content": PROMPT}]}
    headers = {"anthropic-version": "2023-06-01"}
    return Ask(
        MESSAGES, {**body, "stream": True} if streamed else body, "anthropic", expected, streamed, headers=headers
    )


RELAY_1K = chat("bench-1k", answers.SMALL_TEXT)
RELAY_30K = chat("bench-30k", answers.LARGE_TEXT, prompt="word " * 6000)
BURST = chat("bench-burst", answers.STREAM_TEXT, streamed=True)
SPLIT = chat("bench-split", answers.STREAM_TEXT, streamed=True)
PACED = chat("bench-paced", answers.STREAM_TEXT, streamed=True)
IDLE = chat("bench-idle", answers.WORD, streamed=True)
EMBED = Ask(EMBEDDINGS, {"model": "bench-embed", "input": PROMPT}, "embedding")
ANTHROPIC_OPENAI = messages("openai-1k", answers.SMALL_TEXT)


@dataclass(frozen=True)
class Case:
    """An ask of a server by wrk."""

    server: str
    ask: Ask


WRK: Mapping[str, Case] = {
    "limit_handler": Case("handler", RELAY_1K),
    "limit_relay": Case("relay", RELAY_1K),
    "nginx": Case("nginx", RELAY_1K),
    "limit_stream_burst": Case("relay", BURST),
    "limit_stream_split": Case("relay", SPLIT),
    "relay_1k": Case("gateway", RELAY_1K),
    "relay_30k": Case("gateway", RELAY_30K),
    "embed": Case("gateway", EMBED),
    "stream_burst": Case("gateway", BURST),
    "stream_split": Case("gateway", SPLIT),
    "translate_anthropic_openai": Case("gateway", ANTHROPIC_OPENAI),
    "translate_openai_anthropic": Case("gateway", chat("anthropic-1k", answers.SMALL_TEXT)),
    "translate_openai_gemini": Case("gateway", chat("gemini-1k", answers.SMALL_TEXT)),
    "translate_anthropic_openai_stream": Case("gateway", messages("openai-burst", answers.STREAM_TEXT, streamed=True)),
    "translate_openai_anthropic_stream": Case("gateway", chat("anthropic-burst", answers.STREAM_TEXT, streamed=True)),
    "translate_openai_gemini_stream": Case("gateway", chat("gemini-burst", answers.STREAM_TEXT, streamed=True)),
}
LIMITS = ("limit_handler", "limit_relay", "nginx")
"""In every run, whatever else is asked for."""
PEER_CASES = ("relay_1k", "relay_30k", "stream_burst", "translate_anthropic_openai")

Table = Mapping[str, Callable[[], Figures]]


def table(servers: Mapping[str, Server], seconds: float, folder: Path) -> Table:
    """Every case by name, ready to be called once a run."""
    gateway = servers["gateway"]

    def wrk(case: Case) -> Callable[[], Figures]:
        return lambda: loads.wrk(servers[case.server], case.ask, seconds, CONNECTIONS, folder)

    def grpc(model: str, text: str, streamed: bool) -> Callable[[], Figures]:
        return lambda: loads.grpc(gateway, model, text, streamed, seconds)

    def event(name: str) -> Callable[[], Figures]:
        return lambda: conversions.measure(name)

    return {
        **{name: wrk(case) for name, case in WRK.items()},
        "stream_paced": lambda: loads.streams(gateway, PACED, PACED_STREAMS),
        "grpc_1k": grpc("bench-1k", answers.SMALL_TEXT, False),
        "grpc_stream": grpc("bench-burst", answers.STREAM_TEXT, True),
        "idle_1000": lambda: loads.idle(gateway, IDLE, IDLE_STREAMS, IDLE_HOLD_SECONDS),
        **{name: event(name) for name in conversions.CONVERSIONS},
    }


def peers(servers: Mapping[str, Server], cannot: Mapping[str, Sequence[str]], seconds: float, folder: Path) -> Table:
    """The peers' cases, named PEER.CASE, but for what a peer cannot do."""

    def wrk(server: Server, name: str) -> Callable[[], Figures]:
        return lambda: loads.wrk(server, WRK[name].ask, seconds, CONNECTIONS, folder)

    return {
        f"{peer}.{name}": wrk(server, name)
        for peer, server in servers.items()
        for name in PEER_CASES
        if name not in cannot[peer]
    }
