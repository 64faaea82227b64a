"""Figures of a case, medians of runs, and the file they are kept in."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LATEST = RESULTS / "latest.json"
CIRCUMSTANCES = RESULTS / "circumstances.json"
"""How latest.json was measured: runs, seconds, machine, versions, cases that failed."""

Figures = dict[str, float]
Results = dict[str, Figures]
FIELDS = ("requests_per_s", "cpu_us_per_request", "p50_ms", "p99_ms", "rss_mb")

RATIOS: Sequence[tuple[str, str, str, float]] = (
    ("relay_1k", "limit_relay", "requests_per_s", 0.4),
    ("relay_1k", "limit_handler", "requests_per_s", 0.0),
    ("relay_1k", "nginx", "requests_per_s", 0.0),
    ("stream_burst", "limit_stream_burst", "requests_per_s", 0.0),
    ("stream_split", "limit_stream_split", "requests_per_s", 0.0),
    ("translate_anthropic_openai", "relay_1k", "requests_per_s", 0.6),
    ("translate_openai_anthropic", "relay_1k", "requests_per_s", 0.6),
    ("translate_openai_gemini", "relay_1k", "requests_per_s", 0.6),
    ("translate_anthropic_openai_stream", "stream_burst", "requests_per_s", 0.6),
    ("translate_openai_anthropic_stream", "stream_burst", "requests_per_s", 0.6),
    ("translate_openai_gemini_stream", "stream_burst", "requests_per_s", 0.6),
    ("event_translated", "event_relayed", "requests_per_s", 0.6),
    ("event_translated_gemini", "event_relayed", "requests_per_s", 0.6),
)
"""Case, what it is compared with, by which figure, and the least aimed at (0: only told)."""
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


def ratios(results: Mapping[str, Figures]) -> list[tuple[str, float, float]]:
    """What is compared, the ratio, and its aim; only of what was measured in this run."""
    found = [
        (f"{case} / {other}", results[case][figure] / results[other][figure], aim)
        for case, other, figure, aim in RATIOS
        if case in results and other in results
    ]
    for peer in PEERS:
        for name, row in results.items():
            ours = results.get(name.removeprefix(peer + "."))
            if name.startswith(peer + ".") and ours is not None:
                ratio = ours["requests_per_s"] / row["requests_per_s"]
                found.append((f"{name.removeprefix(peer + '.')} / {name}", ratio, PEER_AIMS.get(peer, 1.0)))
    return found


def write(path: Path, value: Any) -> None:
    """As JSON that diffs well."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def read(path: Path) -> Any:
    """What write() wrote."""
    return json.loads(path.read_text())
