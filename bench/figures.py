"""Figures of a case, medians of runs, and the file they are kept in."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LATEST = RESULTS / "latest.json"
CIRCUMSTANCES = RESULTS / "circumstances.json"
"""How latest.json was measured: runs, seconds, machine, versions, cases that failed."""

Figures = dict[str, float]
Results = dict[str, Figures]
FIELDS = ("requests_per_s", "cpu_us_per_request", "p50_ms", "p99_ms", "rss_mb")

RATIOS: Sequence[tuple[str, str, float]] = (
    ("relay_1k", "limit_relay", 0.4),
    ("relay_1k", "limit_handler", 0.0),
    ("relay_1k", "nginx", 0.0),
    ("stream_burst", "limit_stream_burst", 0.0),
    ("stream_split", "limit_stream_split", 0.0),
    ("translate_anthropic_openai", "relay_1k", 0.6),
    ("translate_openai_anthropic", "relay_1k", 0.6),
    ("translate_openai_gemini", "relay_1k", 0.6),
    ("translate_anthropic_openai_stream", "stream_burst", 0.6),
    ("translate_openai_anthropic_stream", "stream_burst", 0.6),
    ("translate_openai_gemini_stream", "stream_burst", 0.6),
    ("event_translated", "event_relayed", 0.6),
    ("event_translated_gemini", "event_relayed", 0.6),
)
"""Case, what it is compared with, and the least ratio of requests a second aimed at (0: only told)."""
PEERS = ("litellm", "portkey")
PEER_AIMS = {"litellm": 30.0}
"""How many times a peer's requests a second are aimed at."""


def made(count: int, seconds: float, cpu_seconds: float, spans_ms: Sequence[float], rss_mb: float) -> Figures:
    """The figures of work that was done count times."""
    ordered = sorted(spans_ms)
    return {
        "requests_per_s": count / seconds,
        "cpu_us_per_request": cpu_seconds / count * 1e6,
        "p50_ms": ordered[len(ordered) // 2],
        "p99_ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        "rss_mb": rss_mb,
    }


def medians(runs: Sequence[Figures]) -> Figures:
    """Each figure's median over the runs."""
    return {name: round(statistics.median(run[name] for run in runs), 3) for name in FIELDS}


@dataclass(frozen=True)
class Ratio:
    """One case beside another of the same run."""

    what: str
    requests: float
    """Of requests a second."""
    cpu: float
    """Of processor time a request, upside down, so that more is better in both: steadier on a machine that is shared."""
    aim: float

    @property
    def met(self) -> str:
        """Whether the aim is reached: unclear where requests and processor time disagree, as they do on a busy machine."""
        if not self.aim:
            return ""
        reached = (self.requests >= self.aim) + (self.cpu >= self.aim)
        return ("missed", "unclear", "reached")[reached]


def _ratio(what: str, ours: Figures, other: Figures, aim: float) -> Ratio:
    requests = ours["requests_per_s"] / other["requests_per_s"]
    return Ratio(what, requests, other["cpu_us_per_request"] / ours["cpu_us_per_request"], aim)


def ratios(results: Mapping[str, Figures]) -> list[Ratio]:
    """What is compared in this run: only what was measured in it."""
    found = [
        _ratio(f"{case} / {other}", results[case], results[other], aim)
        for case, other, aim in RATIOS
        if case in results and other in results
    ]
    for name, row in results.items():
        peer, _, case = name.partition(".")
        if peer in PEERS and case in results:
            found.append(_ratio(f"{case} / {name}", results[case], row, PEER_AIMS.get(peer, 1.0)))
    return found


def write(path: Path, value: Any) -> None:
    """As JSON that diffs well."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def read(path: Path) -> Any:
    """What write() wrote."""
    return json.loads(path.read_text())
